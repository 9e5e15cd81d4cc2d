"""How a phase that the driver itself carries out can fail."""

from __future__ import annotations

from neargate.model.codebuild import FAILED, FAULT
from neargate.model.errors import AwsError

YAML_FILE_ERROR = "YAML_FILE_ERROR"
CLIENT_ERROR = "CLIENT_ERROR"


class PhaseFailed(Exception):
    """The current phase ends with `status`; `code` and `message` are its context, in CodeBuild's words."""

    def __init__(self, code: str, message: str, status: str = FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Over(Exception):
    """The build has ended from outside: somebody stopped it."""


def sdk_failure(error: AwsError, what: str) -> PhaseFailed:
    """An API's refusal as CodeBuild quotes it."""
    text = f"{error.code}: {error.message} status code: {error.status}, request id: , host id: "
    return PhaseFailed(CLIENT_ERROR, f"{text} for {what}")


def internal(error: Exception) -> PhaseFailed:
    """Neither the user's fault nor AWS's: the machine's, or ours."""
    return PhaseFailed("INTERNAL_SERVICE_ERROR", str(error) or repr(error), FAULT)
