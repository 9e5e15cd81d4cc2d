"""Wake-ups when a file grows or a directory gains an entry: one inotify instance for everything."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_MODIFY = 0x2
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_IGNORED = 0x8000
_HEADER = struct.Struct("iIII")

Changed = Callable[[str], None]
"""Called on the event loop with the entry's name, empty where the watched path itself is a file."""


class FileWatch:
    """To be used from one event loop. A machine allows few inotify instances but many watches on one."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._watchers: dict[int, list[Changed]] = {}

    @contextmanager
    def watching(self, path: Path, changed: Changed) -> Iterator[None]:
        """Call `changed` after each modification of the file, or new entry in the directory, in this block.

        Raises `FileNotFoundError`, and `OSError` where the machine's watches are used up.
        """
        if self._descriptor is None:
            self._descriptor = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            asyncio.get_running_loop().add_reader(self._descriptor, self._dispatch, self._descriptor)
        mask = _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE
        watch = _checked(_libc().inotify_add_watch(self._descriptor, os.fsencode(path), mask))
        self._watchers.setdefault(watch, []).append(changed)
        try:
            yield
        finally:
            self._forget(watch, changed)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        self._watchers.clear()

    def _forget(self, watch: int, changed: Changed) -> None:
        others = self._watchers.get(watch, [])
        if changed in others:
            others.remove(changed)
        if not others and self._watchers.pop(watch, None) is not None and self._descriptor is not None:
            _libc().inotify_rm_watch(self._descriptor, watch)

    def _dispatch(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(descriptor, 65536)
            position = 0
            while position < len(data):
                watch, mask, _, length = _HEADER.unpack_from(data, position)
                position += _HEADER.size + length
                name = os.fsdecode(data[position - length : position].rstrip(b"\0"))
                for changed in list(self._watchers.get(watch, ())):
                    changed(name)
                if mask & _IN_IGNORED:  # the file is gone, and its number may be given to another
                    self._watchers.pop(watch, None)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
