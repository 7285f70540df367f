"""Starts and ends a stack: `up` makes a directory with all its files, `down` leaves
nothing behind.

A stack has two processes, the image registry and the services. The services start
containers when they are asked for jobs and endpoints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from launcher.local.detached import DetachedProcess
from launcher.local.engine import DockerEngine, write_login
from launcher.local.errors import LocalError
from launcher.local.loopback import open_url
from launcher.local.registry import RegistryServer, authorization, start_registry
from launcher.local.settings import FILE, Limits, StackSettings
from launcher.ports import free_port
from movielens.json_text import parse_json

_START_SECONDS = 60.0
_REQUEST_SECONDS = 60.0
_POLL_SECONDS = 0.1
_LOG_LINES = 5
_PROCESSES = 2
_REGISTRY = "registry"
_SERVICE = "service"


def up(
    directory: Path,
    *,
    port: int = 0,
    registry_port: int = 0,
    region: str = "us-east-1",
    layers: Path | None = None,
    limits: Limits | None = None,
) -> StackSettings:
    """Start a stack, or find the one that runs there already.

    Args:
        directory: for all its files; made here.
        port: of the services; 0 takes a free one.
        registry_port: of the registry; 0 takes a free one.
        region: the AWS region that it claims to be in.
        layers: where the registry keeps the layers of pushed images. They outlive the
            stack there, so that the next push of a similar image is quick.
        limits: other limits than the platform's.

    Raises:
        LocalError: if something that it needs is missing, or doesn't start.

    Example::

        settings = up(Path(".halfstar-local"))
        boto3.client("s3", endpoint_url=settings.endpoint_url)
        down(Path(".halfstar-local"))
    """
    directory = directory.resolve()
    if (directory / FILE).exists():
        return _running_stack(directory)

    settings = StackSettings(
        directory=directory,
        identity=secrets.token_hex(4),
        port=port or free_port(),
        registry_port=registry_port or free_port(),
        region=region,
        access_key=f"AKIALOCAL{secrets.token_hex(6).upper()[:11]}",
        secret_key=secrets.token_urlsafe(30),
        registry_password=secrets.token_urlsafe(30),
        limits=limits or Limits(),
        layers=(layers or directory / "registry").resolve(),
    )
    if not DockerEngine(settings).answers():
        raise LocalError(
            "no Docker engine answers: start one (`docker version` then names a server)"
        )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".gitignore").write_text("*\n")
    settings.save()
    with contextlib.ExitStack() as undo:
        undo.callback(down, directory)
        settings = _start(settings)
        undo.pop_all()
    return settings


def down(directory: Path) -> None:
    """End a stack: its processes, its containers and networks, its files.

    Raises:
        LocalError: if there is no stack, or a process doesn't end.
    """
    settings = StackSettings.load(directory.resolve())
    for process in settings.processes:
        process.end()
    DockerEngine(settings).remove_all()
    shutil.rmtree(settings.directory)


def is_up(settings: StackSettings) -> bool:
    """Whether both processes run and answer."""
    alive = [process for process in settings.processes if process.is_alive()]
    return len(alive) == _PROCESSES and _answers(settings)


def containers(settings: StackSettings) -> list[str]:
    """A line for each running container."""
    return DockerEngine(settings).containers()


def interrupt(settings: StackSettings, job: str) -> None:
    """Interrupt a managed spot training job, as AWS may at any moment.

    Raises:
        LocalError: if it isn't such a job, or doesn't run.
    """
    url = f"{settings.endpoint_url}/_local/interrupt/{urllib.parse.quote(job)}"
    headers = {"Authorization": f"Credential={settings.access_key}/"}
    request = urllib.request.Request(url, method="POST", headers=headers)
    try:
        open_url(request, timeout=_REQUEST_SECONDS).close()
    except urllib.error.HTTPError as error:
        with error:
            raise LocalError(parse_json(error.read())["message"]) from error


def _running_stack(directory: Path) -> StackSettings:
    settings = StackSettings.load(directory)
    if not is_up(settings):
        raise LocalError(
            f"what was up in {directory} has ended: run `launcher local down` first"
        )
    return settings


def _start(settings: StackSettings) -> StackSettings:
    """Start both processes, and return when they answer."""
    write_login(
        settings.directory / "docker", settings.registry, authorization(settings)
    )
    # Each process is written down at once, so that `down` finds it whatever happens.
    processes = {_REGISTRY: start_registry(settings)}
    _save_processes(settings, processes)
    processes[_SERVICE] = _start_service(settings)
    settings = _save_processes(settings, processes)

    deadline = time.monotonic() + _START_SECONDS
    while not _answers(settings):
        for name, process in processes.items():
            if not process.is_alive():
                raise LocalError(
                    f"the {name} ended with {process.exit_code()}: "
                    f"{_last_log_lines(settings, name)}"
                )
        if time.monotonic() > deadline:
            raise LocalError(
                f"the services don't answer after {_START_SECONDS:.0f} s: "
                f"{_last_log_lines(settings, _SERVICE)}"
            )
        time.sleep(_POLL_SECONDS)
    return settings


def _save_processes(
    settings: StackSettings, processes: Mapping[str, DetachedProcess]
) -> StackSettings:
    settings = dataclasses.replace(settings, processes=tuple(processes.values()))
    settings.save()
    return settings


def _start_service(settings: StackSettings) -> DetachedProcess:
    # The caller's environment may be set up for real AWS.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }
    return DetachedProcess.start(
        [sys.executable, "-m", "launcher.local.service", str(settings.directory)],
        settings.directory / f"{_SERVICE}.log",
        environment,
    )


def _answers(settings: StackSettings) -> bool:
    if not RegistryServer(settings).answers():
        return False
    url = f"{settings.endpoint_url}/moto-api/data.json"
    try:
        open_url(url, timeout=_REQUEST_SECONDS).close()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def _last_log_lines(settings: StackSettings, name: str) -> str:
    text = (settings.directory / f"{name}.log").read_text(errors="replace")
    return " | ".join(text.splitlines()[-_LOG_LINES:])
