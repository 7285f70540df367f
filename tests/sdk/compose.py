"""Has ``docker compose`` and ``docker-compose`` for the SDKs' local mode.

Where the machine has none, trixie's package is unpacked into a directory, whatever
Debian this is, and not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from container import debian

SUITE = "trixie"


def has_compose() -> bool:
    """Whether both spellings are here: v2 of the SDK wants a certain answer of one, and
    falls back to the other.
    """
    plugin = subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    )
    return plugin.returncode == 0 and shutil.which("docker-compose") is not None


def unpack(directory: Path) -> Path:
    """Download the package and unpack it; gives the folder with the command."""
    command = directory / "usr" / "bin" / "docker-compose"
    if not command.exists():
        mirror = debian.mirror()
        if mirror is None:
            raise RuntimeError(
                "no docker compose here, and no Debian mirror to take it from: install Docker's plugin"
            )
        state = directory / "apt"
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (state / "sources.list").write_text(
            f"deb [signed-by={keys}] {mirror} {SUITE} main\n"
        )
        options = {
            "Dir::State": state / "state",
            "Dir::Cache": state / "cache",
            "Dir::Etc::SourceList": state / "sources.list",
            "Dir::Etc::SourceParts": "-",
            "APT::Sandbox::User": "root",
        }
        apt = [
            "apt-get",
            "--quiet=2",
            *(f"--option={name}={value}" for name, value in options.items()),
        ]
        subprocess.run([*apt, "update"], check=True, stdout=2)
        subprocess.run(
            [*apt, "download", f"docker-compose/{SUITE}"],
            check=True,
            stdout=2,
            cwd=directory,
        )
        (package,) = directory.glob("docker-compose_*.deb")
        subprocess.run(["dpkg", "-x", package, directory], check=True)
    return command.parent


def docker_environment(directory: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment in which both spellings of compose run."""
    if has_compose():
        return dict(inherited)
    directory.mkdir(parents=True, exist_ok=True)
    folder = unpack(directory)
    plugins = directory / "docker" / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "docker-compose", plugins / "docker-compose")
    path = f"{folder}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, "PATH": path, "DOCKER_CONFIG": str(directory / "docker")}
