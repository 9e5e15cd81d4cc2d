"""CodePipeline's API. It validates and records; `drivers/pipelines` runs executions."""

from neargate.services.codepipeline import action_types, executions, pipelines, state

__all__ = ["action_types", "executions", "pipelines", "state"]
