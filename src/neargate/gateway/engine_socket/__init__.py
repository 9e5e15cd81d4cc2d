"""The engine socket that a build sees: Docker's API, ECR's names, and nothing of anybody else."""

from neargate.gateway.engine_socket.server import EngineSocket

__all__ = ["EngineSocket"]
