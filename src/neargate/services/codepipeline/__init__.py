"""CodePipeline's API. It validates and records; `drivers/pipelines` runs executions."""

from neargate.services.codepipeline import executions, pipelines, state

__all__ = ["executions", "pipelines", "state"]
