"""A build's directory on this machine: sources unpacked into it, artifacts taken out of it.

Everything here blocks; call it in a thread.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from neargate.drivers.builds.failure import CLIENT_ERROR, PhaseFailed

OUTPUT = "/codebuild/output"
TMP = f"{OUTPUT}/tmp"
SCRIPT = "build.sh"

_LONGEST_SOCKET = 100  # bytes of a path; the kernel takes 107
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can tell


@attrs.frozen
class Workspace:
    """`base` is the build's own directory. `uuid` decides the numbers of the source directories, so that a build
    finds them again."""

    base: Path
    uuid: str

    @property
    def root(self) -> Path:
        """What the container has at /codebuild/output."""
        return self.base / "output"

    def container_source(self, number: int = 0) -> str:
        """Source `number` (0 is the primary one) as the container sees it."""
        return f"{OUTPUT}/src{(int(self.uuid[:8], 16) + number) % 10**9:09d}/src"

    def source(self, number: int = 0) -> Path:
        return self.root / self.container_source(number).removeprefix(OUTPUT + "/")

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def socket(self) -> Path:
        """Where the build's docker socket lies: in its directory, unless that path is too long for a socket."""
        path = self.base / "docker.sock"
        return path if len(os.fsencode(path)) <= _LONGEST_SOCKET else self._elsewhere / "docker.sock"

    @property
    def _elsewhere(self) -> Path:
        return Path(tempfile.gettempdir()) / f"neargate-build-{self.uuid}"

    def make(self) -> None:
        """Empty, whatever was there."""
        self.remove()
        self.tmp.mkdir(parents=True)
        self.source().mkdir(parents=True)
        self.make_room_for_socket()

    def make_room_for_socket(self) -> None:
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        for path in (self.base, self._elsewhere):
            if path.exists():
                shutil.rmtree(path)

    def unpack(self, archive: Path, number: int = 0) -> None:
        """A source's zip, with file modes and symbolic links. Raises `PhaseFailed`."""
        target = self.source(number)
        target.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    _extract(opened, entry, target)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            which = "primary source" if number == 0 else "secondary source"
            raise PhaseFailed(CLIENT_ERROR, f"zip: not a valid zip file for {which}: {error}") from error

    def write_script(self, text: str) -> None:
        (self.tmp / SCRIPT).write_text(text)

    def final_environment(self) -> dict[str, str]:
        """The environment after the last command; empty where the script did not come that far."""
        written = self.tmp / "environ"
        if not self.holds(written):
            return {}
        content = written.read_bytes()
        entries = (entry.decode(errors="surrogateescape").partition("=") for entry in content.split(b"\0"))
        return {name: value for name, _, value in entries if name}

    def evaluated_name(self, number: int, name: str) -> str:
        """Artifact `number`'s name from the buildspec, as the shell evaluated it."""
        written = self.tmp / f"name.{number}"
        return written.read_text(errors="replace") if self.holds(written) else name

    def paths(self) -> list[str]:
        """All files below the primary source, relative to it. Not those behind a link that leads out of the build's
        directory."""
        source = self.source()
        if not self._is_inside(source):
            return []
        return sorted(str(path.relative_to(source)) for path in _files(source) if self.holds(path))

    def holds(self, path: Path) -> bool:
        """Whether there is a file of the build's own. What its commands made may be links to any file of this
        machine, which their container could not have read."""
        return self._is_inside(path) and path.is_file()

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def pack(self, files: Sequence[tuple[str, str]], name: str) -> Path:
        """A zip of (path in the source, name in the zip), in that order, with their modes."""
        archive = self.base / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path, inside in files:
                file = self.source() / path
                seen = file.stat()
                entry = zipfile.ZipInfo(inside, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | stat.S_IMODE(seen.st_mode)) << 16
                entry.file_size = seen.st_size
                with file.open("rb") as content, packed.open(entry, "w") as target:
                    shutil.copyfileobj(content, target, 1 << 20)
        return archive


def _files(root: Path) -> Iterator[Path]:
    """Files of every kind, also behind a link to a file; directories behind links are left out."""
    for directory, _, names in os.walk(root):
        yield from (Path(directory, name) for name in names)


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path) -> None:
    """Never outside of `root`, nor through a link that the archive brought."""
    target = root.joinpath(*(part for part in Path(entry.filename).parts if part not in ("..", "/")))
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise PhaseFailed(CLIENT_ERROR, f"zip: {entry.filename} leads out of the source directory")
    mode = entry.external_attr >> 16
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if stat.S_ISLNK(mode):
        target.symlink_to(opened.read(entry).decode())
        return
    with opened.open(entry) as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    if stat.S_IMODE(mode):
        target.chmod(stat.S_IMODE(mode))
