"""CodeBuild: projects and builds. `drivers.builds` runs what is recorded here."""

from neargate.services.codebuild import builds, projects, starting

__all__ = ["builds", "projects", "starting"]
