"""Starts and ends a stack: `up` makes a directory with all its files, `down` leaves
nothing behind.

A stack has two processes, the image registry and the services. The services start
containers when they are asked for jobs and endpoints.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import urllib3
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from launcher.local.detached import DetachedProcess, exit_code
from launcher.local.engine import DockerEngine
from launcher.local.errors import LocalError
from launcher.local.registry import (
    RegistryServer,
    configure_registry,
    registry_command,
    write_login,
)
from launcher.local.settings import FILE, HEALTH, StackSettings
from movielens.json_text import parse_json

_SECONDS = 60.0
_POLL_SECONDS = 0.1
_LOG_LINES = 5
# Threads that each have an arena of their own keep most of what they ever freed.
_MEMORY = {"MALLOC_ARENA_MAX": "2"}
_REGISTRY = "registry"
_SERVICE = "service"


def up(wanted: StackSettings) -> StackSettings:
    """Start a stack, or find the one that runs in its directory already.

    Raises:
        LocalError: if something that it needs is missing, or doesn't start.

    Example::

        settings = up(StackSettings(Path(".halfstar-local").resolve()))
        boto3.client("s3", endpoint_url=settings.endpoint_url)
        down(settings.directory)
    """
    directory = wanted.directory
    # The folder above is locked, since the directory comes and goes.
    with _locked(directory.parent):
        if (directory / FILE).exists():
            running = StackSettings.load(directory)
            if is_up(running):
                return running
            raise LocalError(
                f"what was up in {directory} has ended: run `launcher local down` first"
            )
        if not DockerEngine(wanted).answers():
            raise LocalError(
                "no Docker engine answers: start one (`docker version` then names a "
                "server)"
            )
        directory.mkdir(exist_ok=True)
        wanted.save()
        (directory / ".gitignore").write_text("*\n")
        with contextlib.ExitStack() as undo:
            undo.callback(_remove, wanted)
            _start(wanted)
            undo.pop_all()
        return wanted


def down(directory: Path) -> None:
    """End a stack: its processes, its containers, networks and images, its files.

    Raises:
        LocalError: if there is no stack, or a process doesn't end.
    """
    directory = directory.resolve()
    with _locked(directory.parent):
        _remove(StackSettings.load(directory))


def _remove(settings: StackSettings) -> None:
    for process in reversed(processes(settings).values()):
        process.end()
    DockerEngine(settings).remove_all()
    # What tells of the stack goes last, so that `down` may be killed and typed again.
    for path in settings.directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != FILE:
            path.unlink()
    shutil.rmtree(settings.directory)


@contextlib.contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """Hold the lock of a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def processes(settings: StackSettings) -> dict[str, DetachedProcess]:
    """The stack's processes, by the names of their logs."""
    service = (sys.executable, "-m", "launcher.local.service", str(settings.directory))
    commands = {_REGISTRY: registry_command(settings), _SERVICE: service}
    return {
        name: DetachedProcess(command, settings.directory / f"{name}.log")
        for name, command in commands.items()
    }


def is_up(settings: StackSettings) -> bool:
    """Whether both processes answer."""
    with contextlib.suppress(HTTPError):
        reply = _request("GET", settings, HEALTH)
        is_ours = reply.data.decode() == settings.identity
        return is_ours and RegistryServer(settings).answers()
    return False


def interrupt(settings: StackSettings, job: str) -> None:
    """Interrupt a managed spot training job, as AWS may at any moment.

    Raises:
        LocalError: if it isn't such a job, or doesn't run.
    """
    path = f"/_local/interrupt/{urllib.parse.quote(job)}"
    reply = _request("POST", settings, path)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise LocalError(parse_json(reply.data)["message"])


def _request(method: str, settings: StackSettings, path: str) -> BaseHTTPResponse:
    return urllib3.request(
        method,
        f"{settings.endpoint_url}{path}",
        headers={"Authorization": f"Credential={settings.access_key}/"},
        timeout=_SECONDS,
        retries=False,
    )


def _start(settings: StackSettings) -> None:
    """Start both processes, and return when they answer, however long a busy machine
    takes for that.
    """
    write_login(settings)
    configure_registry(settings)
    # The caller's environment may be set up for real AWS.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }
    layers = settings.layers_directory
    try:
        # The registry holds the lock: two would delete each other's images.
        with _locked(layers, fcntl.LOCK_EX | fcntl.LOCK_NB) as lock:
            started = {
                name: process.start(
                    {**environment, **_MEMORY}, lock if name == _REGISTRY else None
                )
                for name, process in processes(settings).items()
            }
    except BlockingIOError as error:
        raise LocalError(
            f"the layers in {layers} are another stack's: name another folder"
        ) from error
    while not is_up(settings):
        for name, pid in started.items():
            code = exit_code(pid)
            if code is not None:
                log = settings.directory / f"{name}.log"
                lines = log.read_text(errors="replace").splitlines()
                last = " | ".join(lines[-_LOG_LINES:])
                raise LocalError(f"the {name} ended with {code}: {last}")
        time.sleep(_POLL_SECONDS)
    RegistryServer(settings).delete_images()
