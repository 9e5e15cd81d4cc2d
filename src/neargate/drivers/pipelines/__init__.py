"""The driver of CodePipeline executions."""

from neargate.drivers.pipelines.driver import PipelineDriver

__all__ = ["PipelineDriver"]
