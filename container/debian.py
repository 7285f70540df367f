"""What a Debian machine offers: packages to install, and the mirror they come from.

The mirror's address is read from apt's own sources each time it is needed, in either of
their two formats. It is never written anywhere.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

APT_DIR = Path("/etc/apt")
# Held while we install.
_LOCK = Path(tempfile.gettempdir()) / "halfstar-apt.lock"
# Seconds for the installations of others, such as a machine's own updates.
_WAIT_FOR_OTHERS = ("-o", "DPkg::Lock::Timeout=600")
ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


class MissingCommandError(Exception):
    """A command isn't installed, and this process may not install its package."""


def ensure_commands(packages: Mapping[str, tuple[str, ...]]) -> None:
    """Install the packages of those commands that aren't on the PATH.

    Args:
        packages: of each command, the Debian packages that it takes.

    Raises:
        MissingCommandError: if a command is missing and we aren't root on Debian.
        subprocess.CalledProcessError: if apt-get fails; it has printed why.

    Example:
        >>> ensure_commands({"sh": ("dash",)})
    """
    missing = [command for command in packages if shutil.which(command) is None]
    if not missing:
        return
    needed = sorted({package for command in missing for package in packages[command]})
    if not may_install():
        raise MissingCommandError(
            f"{' and '.join(missing)} must be installed "
            f"(on Debian: apt-get install {' '.join(needed)})"
        )
    install(*needed)


def install(*packages: str) -> None:
    """Install the given packages, but for those that this release of Debian lacks.

    Tests run in several processes. Whoever comes while another installs waits, since
    apt-get itself gives up.

    Raises:
        subprocess.CalledProcessError: if apt-get fails; it has printed why.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["apt-get", "update", "--quiet=2"], check=True, env=environment)

        available = [name for name in packages if _is_available(name)]
        options = ["--yes", "--quiet", "--no-install-recommends", *_WAIT_FOR_OTHERS]
        subprocess.run(
            ["apt-get", "install", *options, *available], check=True, env=environment
        )


def may_install() -> bool:
    """Whether this process may install packages: root on Debian or a derivative."""
    release = _os_release()
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    has_apt = "debian" in names and shutil.which("apt-get") is not None
    return has_apt and os.geteuid() == 0


def is_debian() -> bool:
    """Whether this is Debian itself; the mirror of a derivative lacks its suites."""
    return _os_release().get("ID") == "debian"


def mirror(apt_dir: Path = APT_DIR) -> str | None:
    """The first address from which apt gets Debian's main archive.

    None if apt's sources name no such address over HTTP.
    """
    for uri, suite in _sources(apt_dir):
        is_http = uri.startswith(("http://", "https://"))
        is_security = "-security" in uri or "-security" in suite
        if is_http and not is_security:
            return uri
    return None


def _sources(apt_dir: Path) -> Iterator[tuple[str, str]]:
    """Address and suite of each of apt's sources."""
    formats = {".list": _one_line_sources, ".sources": _deb822_sources}
    more = sorted((apt_dir / "sources.list.d").glob("*"))
    for file in [apt_dir / "sources.list", *more]:
        if file.suffix in formats and file.is_file():
            yield from formats[file.suffix](file.read_text())


def _one_line_sources(text: str) -> Iterator[tuple[str, str]]:
    """Lines of ``deb [options] URI suite component…``; see sources.list(5)."""
    for line in text.splitlines():
        match = ONE_LINE.match(line.strip())
        if match is not None:
            yield match["uri"], match["suite"]


def _deb822_sources(text: str) -> Iterator[tuple[str, str]]:
    """Paragraphs of ``Field: value`` lines; see sources.list(5).

    Each paragraph gives its first address and its first suite.
    """
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = _deb822_fields(paragraph)
        is_binary = "deb" in fields.get("types", [])
        is_enabled = fields.get("enabled") != ["no"]
        uris = fields.get("uris")
        suites = fields.get("suites")
        if is_binary and is_enabled and uris and suites:
            yield uris[0], suites[0]


def _deb822_fields(paragraph: str) -> dict[str, list[str]]:
    """The words of each field, by its name in lower case."""
    # An indented line continues the field before it.
    joined = re.sub(r"\n[ \t]+", " ", paragraph)
    fields = {}
    for line in joined.splitlines():
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.split()
    return fields


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:  # not Linux, or a Linux without the file
        return {}


def _is_available(package: str) -> bool:
    shown = subprocess.run(
        ["apt-cache", "show", package], capture_output=True, check=False
    )
    return shown.returncode == 0
