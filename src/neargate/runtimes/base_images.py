"""The images that a delivery starts from, where no registry can be reached: stand-ins made on this machine.

`python -m neargate.runtimes.base_images` makes all of them that are missing; `make setup` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import io
import os
import re
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from neargate.model.runtime import ImageInfo, ImageUnavailable, RuntimeFailure
from neargate.runtimes.debian_rootfs import build_rootfs
from neargate.runtimes.engine import EngineRuntime
from neargate.runtimes.engine_connection import Refused, json_lines
from neargate.runtimes.private_engine import EngineFinder, default_directory

PYTHON = "python:3.12-slim"
BUILDER = "neargate/codebuild:1"
STAND_IN_LABEL = "dev.neargate.stand-in"

_PYTHON_NAMES = re.compile(
    r"(?:docker\.io/)?(?:library/)?python:(?:3|3\.11|3\.12|3\.13)?-?(?:slim)?(?:-bookworm)?(?<!:)"
)
_BUILDER_NAMES = re.compile(r"aws/codebuild/.+|(?:docker\.io/)?neargate/codebuild:1")
_PULL_SECONDS = 120.0
_ENVIRONMENT = ("PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")

_BUILDER_DOCKERFILE = f"""\
FROM {PYTHON}
RUN export DEBIAN_FRONTEND=noninteractive \\
 && apt-get update -qq \\
 && apt-get install -qq --yes --no-install-recommends bash git curl jq zip unzip ca-certificates openssh-client \\
 && cd /tmp && {{ apt-get download -qq docker-cli || apt-get download -qq docker.io; }} \\
 && dpkg-deb --fsys-tarfile docker*.deb | tar --extract --directory=/ ./usr/bin/docker \\
 && rm -rf /tmp/* /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
RUN pip install --quiet --no-cache-dir 'awscli<2' \\
 && aws --version
ENV DOCKER_BUILDKIT=0 LANG=C.UTF-8 AWS_PAGER=
LABEL dev.neargate.builder=1 {STAND_IN_LABEL}=aws/codebuild
CMD ["/bin/bash"]
"""

Say = Callable[[str], None]


class BaseImages:
    """Makes base images be there. `directory` is for the lock and for scratch files."""

    def __init__(self, runtime: EngineRuntime, directory: Path, say: Say) -> None:
        self._runtime = runtime
        self._directory = directory
        self._say = say

    async def ensure(self, reference: str) -> ImageInfo:
        """The image of this name: the local one, else pulled, else a stand-in where there is one for it.

        An `aws/codebuild/…` name gives Neargate's builder image. Raises `ImageUnavailable`.
        """
        if _BUILDER_NAMES.fullmatch(reference):
            reference = BUILDER
        image = await self._runtime.image(reference)
        if image is not None:
            return image
        if reference == BUILDER:
            return await self._builder()
        try:
            async with asyncio.timeout(_PULL_SECONDS):
                return await self._runtime.pull(reference)
        except ImageUnavailable as unavailable:
            if not _PYTHON_NAMES.fullmatch(reference):
                raise
            reason = unavailable.reason
        except TimeoutError:
            reason = f"no answer within {_PULL_SECONDS:.0f} s"
            if not _PYTHON_NAMES.fullmatch(reference):
                raise ImageUnavailable(reference, reason) from None
        return await self._python(reference, reason)

    async def _python(self, reference: str, reason: str) -> ImageInfo:
        async with self._only_builder():
            image = await self._runtime.image(reference)
            if image is not None:
                return image
            self._say(
                f"{reference} cannot be pulled ({reason.rpartition(': ')[2]}): building a stand-in of that name "
                "from this machine's Debian packages, once. The Python inside is Debian's own, not python.org's."
            )
            archive = self._directory / f"rootfs-{os.getpid()}.tar"
            try:
                await build_rootfs(archive)
                await self._import(archive, reference)
            except RuntimeFailure as failure:
                raise ImageUnavailable(reference, f"{reason}; and no stand-in: {failure}") from failure
            finally:
                archive.unlink(missing_ok=True)
        return await self._made(reference)

    async def _builder(self) -> ImageInfo:
        await self.ensure(PYTHON)
        async with self._only_builder():
            image = await self._runtime.image(BUILDER)
            if image is not None:
                return image
            self._say(
                f"Building {BUILDER}, which stands in for the aws/codebuild images: bash, git, curl, jq, zip, "
                "the docker command and the AWS CLI v1 on Debian, once."
            )
            await self._build(_BUILDER_DOCKERFILE, BUILDER)
        return await self._made(BUILDER)

    async def _made(self, reference: str) -> ImageInfo:
        image = await self._runtime.image(reference)
        if image is None:
            raise ImageUnavailable(reference, "the engine built it, but does not have it")
        return image

    async def _import(self, archive: Path, reference: str) -> None:
        changes = [*(f"ENV {each}" for each in _ENVIRONMENT), 'CMD ["python3"]']
        changes.append(f"LABEL {STAND_IN_LABEL}={reference}")
        query = urlencode({"fromSrc": "-", "repo": _qualified(reference), "changes": changes}, doseq=True)
        await self._stream(f"images/create?{query}", {}, _chunks(archive), reference)

    async def _build(self, dockerfile: str, reference: str) -> None:
        params = {"t": reference, "networkmode": "host", "rm": "1", "forcerm": "1"}
        await self._stream("build", params, _context(dockerfile), reference)

    async def _stream(
        self, path: str, params: Mapping[str, object], body: bytes | AsyncIterator[bytes], reference: str
    ) -> None:
        """Raises `ImageUnavailable` with the last that the engine said."""
        said: list[str] = []
        try:
            async with self._runtime.connection.stream("POST", path, params=params, body=body) as response:
                async for progress in json_lines(response):
                    said.append(str(progress.get("stream") or progress.get("status") or "").strip())
                    if "error" in progress:
                        context = " / ".join(each for each in said[-8:] if each)
                        raise ImageUnavailable(reference, f"{progress['error']} (after: {context})")
        except Refused as error:
            raise ImageUnavailable(reference, error.message) from error

    @asynccontextmanager
    async def _only_builder(self) -> AsyncIterator[None]:
        """One build at a time on this directory, whichever process it is in."""
        os.makedirs(self._directory, exist_ok=True, mode=0o700)
        lock = os.open(self._directory / "images.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _qualified(reference: str) -> str:
    """As `FROM` resolves it; an import takes its name literally."""
    name = reference.removeprefix("docker.io/").removeprefix("library/")
    return f"docker.io/library/{name}"


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, 1 << 20):
            yield data


def _context(dockerfile: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    return archive.getvalue()


async def _make(directory: Path) -> int:
    finder = EngineFinder(directory)
    runtime = EngineRuntime(finder)
    images = BaseImages(runtime, directory, lambda text: print(text, flush=True))
    try:
        for reference in (PYTHON, BUILDER):
            image = await images.ensure(reference)
            print(f"{reference} is there ({image.id[7:19]}).", flush=True)
    except RuntimeFailure as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        await runtime.close()
        await finder.private.leave()
    return 0


def main() -> int:
    """Make every base image that is missing; 0 when all are there."""
    parser = argparse.ArgumentParser(prog="python -m neargate.runtimes.base_images", description=main.__doc__)
    parser.add_argument("--engine-dir", type=Path, default=default_directory(), help="default: %(default)s")
    return asyncio.run(_make(parser.parse_args().engine_dir.absolute()))


if __name__ == "__main__":
    sys.exit(main())
