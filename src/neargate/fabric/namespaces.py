"""Work inside another network namespace, without a fork and without moving the server."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from neargate.model.fabric import FabricFailure, FabricUnavailable, NoSuchNamespace

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703


@contextmanager
def opened(netns_path: str) -> Iterator[int]:
    """A file descriptor of the network namespace, which lives at least as long as the block.

    Raises `NoSuchNamespace`, and `FabricFailure` for the namespace of the calling thread: plumbing a task
    into the machine itself is never meant.
    """
    try:
        descriptor = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NoSuchNamespace(netns_path) from error
    try:
        if not _is_network(descriptor):
            raise NoSuchNamespace(netns_path)
        if os.path.samestat(os.fstat(descriptor), os.stat("/proc/thread-self/ns/net")):
            raise FabricFailure(f"{netns_path} is the network namespace of the machine, not of a task.")
        yield descriptor
    finally:
        os.close(descriptor)


def inside(namespace: int, work: Callable[[], T]) -> T:
    """Run `work` on a thread that lives in the namespace (a descriptor) and then ends.

    Sockets that it makes stay in the namespace and may be used from any thread.
    """

    def enter_and_work() -> T:
        enter(namespace)
        return work()

    with ThreadPoolExecutor(1, thread_name_prefix="neargate-namespace") as thread:
        return thread.submit(enter_and_work).result()


def enter(namespace: int) -> None:
    """Move the calling thread, and no other, into the network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EPERM:
        raise FabricUnavailable(
            "Entering a task's network namespace is not permitted.", "Run Neargate as root."
        )
    raise OSError(code, os.strerror(code))


def _is_network(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            return False  # an ordinary file, for example the mount point of a namespace that is gone
        raise
