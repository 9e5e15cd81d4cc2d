"""A small Debian with Python, made from this machine's own package sources: the root of stand-in images.

Whatever this machine needs to reach its package registries (apt sources and settings, certificate
authorities, pip's index) goes into the root, so that builds inside reach them too. No address is known here.
"""

from __future__ import annotations

import asyncio
import configparser
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from neargate.model.runtime import RuntimeFailure

PACKAGES = ("python3", "python3-pip", "ca-certificates")

_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_APT_SETTINGS = (
    "Acquire::Check-",
    "Acquire::http",
    "Acquire::https",
    "Acquire::ForceIPv",
    "Acquire::Retries",
)
_PIP_FILES = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
_PIP_URLS = ("index-url", "extra-index-url")
_UNUSED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


async def build_rootfs(target: Path) -> None:
    """Write the root file system as a tar to `target`. About 25 s, 30 MB of downloads, 200 MB on disk.

    Raises `RuntimeFailure` with mmdebstrap's last words, or with what to install; then `target` may be
    there in part.
    """
    if shutil.which("mmdebstrap") is None:
        raise RuntimeFailure("mmdebstrap is not installed. Run: apt-get install --yes mmdebstrap")
    target.parent.mkdir(parents=True, exist_ok=True)
    settings = target.with_suffix(".settings")
    shutil.rmtree(settings, ignore_errors=True)
    try:
        write_settings(settings, os.environ, await _apt_settings())
        command = mmdebstrap(target, settings, codename())
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    finally:
        shutil.rmtree(settings, ignore_errors=True)
    if process.returncode != 0:
        errors = [
            each for each in output.decode(errors="replace").splitlines() if each.startswith(("E:", "Err:"))
        ]
        raise RuntimeFailure(
            f"mmdebstrap failed: {' '.join(errors[-3:]) or output.decode(errors='replace')[-300:]}"
        )


def mmdebstrap(target: Path, settings: Path, suite: str) -> tuple[str, ...]:
    """The command that makes the root. `settings` is a tree that is laid over it."""
    links = "ln -sf /usr/bin/python3 usr/local/bin/python && ln -sf /usr/bin/python3 usr/local/bin/python3"
    return (
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={each}" for each in _UNUSED),
        *(
            f"--aptopt={line}"
            for line in (settings / "etc/apt/apt.conf.d/90machine").read_text().splitlines()
        ),
        f'--customize-hook=cp -a {shlex.quote(str(settings))}/. "$1"/',
        f'--customize-hook=cd "$1" && {links} && rm -f usr/lib/python3*/EXTERNALLY-MANAGED',
        suite,
        str(target),
        *sources(),
    )


def codename(os_release: Path = Path("/etc/os-release")) -> str:
    """The suite of this machine. Raises `RuntimeFailure` where it is no Debian."""
    values = dict(line.partition("=")[::2] for line in os_release.read_text().splitlines())
    name = values.get("VERSION_CODENAME", "").strip('"')
    if "debian" not in f"{values.get('ID', '')} {values.get('ID_LIKE', '')}" or not name:
        raise RuntimeFailure("This machine is no Debian: stand-in images are made from Debian packages only.")
    return name


def sources(root: Path = Path("/etc/apt")) -> tuple[str, ...]:
    """The machine's apt source files, in apt's own order."""
    found = [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]
    return tuple(str(each) for each in found if each.suffix in (".list", ".sources") and each.is_file())


def write_settings(root: Path, environ: Mapping[str, str], apt: list[str]) -> None:
    """The files by which this machine reaches its registries, as a tree to lay over another root."""
    certificates = root / "usr/local/share/ca-certificates"
    for directory in (root / "etc/apt/apt.conf.d", root / "etc/ssl/certs", certificates):
        directory.mkdir(parents=True)
    (root / "etc/apt/apt.conf.d/90machine").write_text("".join(f"{line}\n" for line in apt))
    bundle = Path(environ.get("SSL_CERT_FILE") or _CA_BUNDLE)
    if bundle.is_file():
        shutil.copyfile(bundle, root / _CA_BUNDLE.lstrip("/"))
    for each in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copyfile(each, certificates / each.name)
    pip = "".join(f"{name} = {value}\n" for name, value in pip_settings(environ))
    (root / "etc/pip.conf").write_text(f"[global]\n{pip}")


def pip_settings(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What pip inside needs: the certificates, and this machine's indexes.

    Local directories are not there, and addresses with a password do not belong into an image.
    """
    yield "cert", _CA_BUNDLE
    yield "disable-pip-version-check", "true"
    yield "root-user-action", "ignore"
    parser = configparser.RawConfigParser()
    parser.read([os.path.expanduser(each) for each in _PIP_FILES])
    for name in _PIP_URLS:
        value = environ.get(f"PIP_{name.upper().replace('-', '_')}") or parser.get(
            "global", name, fallback=""
        )
        urls = [each for each in (value or "").split() if urlsplit(each).scheme in ("http", "https")]
        usable = [each for each in urls if urlsplit(each).password is None]
        if usable:
            yield name, " ".join(usable)


async def _apt_settings() -> list[str]:
    """This machine's apt settings that concern reaching and trusting its sources."""
    process = await asyncio.create_subprocess_exec(
        "apt-config", "dump", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    lines = output.decode(errors="replace").splitlines()
    return [line for line in lines if line.startswith(_APT_SETTINGS) and not line.endswith(' "";')]
