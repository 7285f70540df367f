"""Provides ``docker compose`` and ``docker-compose`` for the SDKs' local mode.

If the machine doesn't have both, the package of Debian's trixie is unpacked into a
directory, on whatever Debian this is. Nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from container import debian
from launcher.docker import run_docker

SUITE = "trixie"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def docker_environment(directory: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment in which both spellings of compose run.

    Args:
        directory: for what is unpacked, if anything has to be.
        inherited: the environment to start from.
    """
    if has_compose():
        return dict(inherited)
    directory.mkdir(parents=True, exist_ok=True)
    command = unpack_compose(directory)
    configuration = directory / "docker"
    plugins = configuration / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    shutil.copy(command, plugins / command.name)
    path = f"{command.parent}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, "PATH": path, "DOCKER_CONFIG": str(configuration)}


def has_compose() -> bool:
    """Whether both spellings are here.

    Version 2 of the SDK tries the first, and falls back to the second unless the first
    answers as it expects.
    """
    plugin = run_docker("compose", "version")
    return plugin.returncode == 0 and shutil.which("docker-compose") is not None


def unpack_compose(directory: Path) -> Path:
    """Download the package and unpack it, if that isn't done yet.

    Returns:
        The command ``docker-compose``.

    Raises:
        RuntimeError: if there is no Debian mirror.
    """
    command = directory / "usr" / "bin" / "docker-compose"
    if command.exists():
        return command
    mirror = debian.mirror()
    if mirror is None:
        raise RuntimeError(
            "there is no docker compose here, and no Debian mirror to take it from: "
            "install Docker's compose plugin"
        )
    apt_get = ["apt-get", "--quiet=2", *_apt_options(directory / "apt", mirror)]
    subprocess.run([*apt_get, "update"], check=True, stdout=2)
    download = [*apt_get, "download", f"docker-compose/{SUITE}"]
    subprocess.run(download, check=True, stdout=2, cwd=directory)
    (package,) = directory.glob("docker-compose_*.deb")
    subprocess.run(["dpkg", "-x", package, directory], check=True)
    return command


def _apt_options(directory: Path, mirror: str) -> list[str]:
    """Options for an apt that only knows the mirror's trixie, and keeps its files in a
    directory of its own.
    """
    state = directory / "state"
    cache = directory / "cache"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb [signed-by={KEYS}] {mirror} {SUITE} main\n")
    options = {
        "Dir::State": state,
        "Dir::Cache": cache,
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "APT::Sandbox::User": "root",
    }
    return [f"--option={name}={value}" for name, value in options.items()]
