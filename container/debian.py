"""What a Debian machine gives by itself: packages, and the address of the mirror that
it installs them from.

The address is read from apt's own sources at the moment of use, in both of their
formats, and is written nowhere.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

APT_DIR = Path("/etc/apt")
ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


def is_debian() -> bool:
    """Whether this is Debian itself, whose mirror has Debian's suites; a derived
    system's hasn't.
    """
    return _os_release().get("ID") == "debian"


def may_install() -> bool:
    """Whether this process may install packages: root, on Debian or a system derived
    from it.
    """
    names = {_os_release().get("ID", ""), *_os_release().get("ID_LIKE", "").split()}
    return (
        os.geteuid() == 0 and "debian" in names and shutil.which("apt-get") is not None
    )


def install(*packages: str) -> None:
    """Install those of the packages that this release knows: their names differ between
    releases.

    Raises:
        subprocess.CalledProcessError: if apt-get fails; it has said why by then.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet=2"], check=True, env=environment)
    known = [name for name in packages if _is_known(name)]
    command = [
        "apt-get",
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        *known,
    ]
    subprocess.run(command, check=True, env=environment)


def mirror(apt_dir: Path = APT_DIR) -> str | None:
    """The first address that apt gets Debian's main archive from, or None when its
    sources name none over HTTP.
    """
    files = [apt_dir / "sources.list", *sorted((apt_dir / "sources.list.d").glob("*"))]
    for file in files:
        entries = {".list": _one_line_entries, ".sources": _deb822_entries}.get(
            file.suffix
        )
        if entries is not None and file.is_file():
            for uri, suite in entries(file.read_text()):
                if (
                    uri.startswith(("http://", "https://"))
                    and "-security" not in f"{uri}{suite}"
                ):
                    return uri
    return None


def _one_line_entries(text: str) -> Iterator[tuple[str, str]]:
    """``deb [options] URI suite component…``, as sources.list(5) has it."""
    for line in text.splitlines():
        if match := ONE_LINE.match(line.strip()):
            yield match["uri"], match["suite"]


def _deb822_entries(text: str) -> Iterator[tuple[str, str]]:
    """Paragraphs of ``Field: value`` lines, as sources.list(5) has them; each gives its
    first address and suite.
    """
    uncommented = "\n".join(
        line for line in text.splitlines() if not line.startswith("#")
    )
    for paragraph in re.split(r"\n\s*\n", uncommented):
        # An indented line continues the field before it.
        lines = re.sub(r"\n[ \t]+", " ", paragraph).splitlines()
        fields = {
            name.strip().lower(): value.split()
            for name, _, value in (line.partition(":") for line in lines)
        }
        usable = "deb" in fields.get("types", []) and fields.get(
            "enabled", ["yes"]
        ) != ["no"]
        if usable and fields.get("uris") and fields.get("suites"):
            yield fields["uris"][0], fields["suites"][0]


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:  # no Linux, or one without the file
        return {}


def _is_known(package: str) -> bool:
    shown = subprocess.run(
        ["apt-cache", "show", package], capture_output=True, check=False
    )
    return shown.returncode == 0
