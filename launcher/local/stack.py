"""Starts and ends the local services: ``up`` makes a directory with all of a stack,
``down`` leaves nothing of it.

Two processes run: the services and the image registry. Containers are the services'
    own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from launcher.local import registry
from launcher.local.docker import Docker, write_login
from launcher.local.errors import LocalError
from launcher.local.settings import Limits, Process, Settings
from launcher.ports import free_port

_START_SECONDS = 60.0
_END_SECONDS = 20.0
_POLL_SECONDS = 0.1
_LOG_LINES = 5
_PROCESSES = 2
# What this very process has started, and may have to wait for.
_children: dict[int, subprocess.Popen[bytes]] = {}
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def up(
    directory: Path,
    *,
    port: int = 0,
    registry_port: int = 0,
    region: str = "us-east-1",
    layers: Path | None = None,
    limits: Limits | None = None,
) -> Settings:
    """Start a stack, or find the one that runs there already.

    Args:
        directory: for all its files; made here.
        port: of the services; 0 takes a free one.
        registry_port: of the registry, likewise.
        region: where it says that it is.
        layers: where the registry keeps what is pushed. Layers, unlike images, outlive
            the stack there, so that the next push of much the same image is quick.
        limits: shorter or longer times than the platform's.

    Raises:
        LocalError: if something needed isn't here, or doesn't start.
    """
    directory = directory.resolve()
    if (directory / "stack.json").exists():
        return _running(directory)
    identity = secrets.token_hex(4)
    settings = Settings(
        directory=directory,
        identity=identity,
        port=port or free_port(),
        registry_port=registry_port or free_port(),
        region=region,
        access_key=f"AKIALOCAL{secrets.token_hex(6).upper()[:11]}",
        secret_key=secrets.token_urlsafe(30),
        registry_password=secrets.token_urlsafe(30),
        limits=limits or Limits(),
        layers=(layers or directory / "registry").resolve(),
    )
    if not Docker(settings).answers():
        raise LocalError(
            "no Docker engine answers: start one (`docker version` then names a server)"
        )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ".gitignore").write_text("*\n")
    settings.save()
    with contextlib.ExitStack() as undo:
        undo.callback(down, directory)
        settings = _started(settings)
        undo.pop_all()
    return settings


def down(directory: Path) -> None:
    """End the processes, remove the containers, networks and pulled images, then the
    directory.

    Raises:
        LocalError: if there is no stack, or a process doesn't end.
    """
    settings = Settings.load(directory.resolve())
    for process in settings.processes:
        _end(process)
    Docker(settings).remove_all()
    shutil.rmtree(settings.directory)


def is_up(settings: Settings) -> bool:
    """Whether both processes run and answer."""
    alive = [process.is_alive() for process in settings.processes]
    return len(alive) == _PROCESSES and all(alive) and _answers(settings)


def containers(settings: Settings) -> list[str]:
    """A line for each container that runs."""
    return Docker(settings).containers()


def interrupt(settings: Settings, job: str) -> None:
    """Have a managed spot training job interrupted.

    Raises:
        LocalError: if it isn't one that runs.
    """
    url = f"{settings.endpoint_url}/_local/interrupt/{urllib.parse.quote(job)}"
    key = f"Credential={settings.access_key}/"
    request = urllib.request.Request(url, method="POST", headers={"Authorization": key})
    try:
        _open(request, timeout=_START_SECONDS).close()
    except urllib.error.HTTPError as error:
        with error:
            raise LocalError(json.loads(error.read())["message"]) from error


def _running(directory: Path) -> Settings:
    settings = Settings.load(directory)
    if not is_up(settings):
        raise LocalError(
            f"what was up in {directory} has ended: run `launcher local down` first"
        )
    return settings


def _started(settings: Settings) -> Settings:
    write_login(
        settings.directory / "docker",
        settings.registry,
        registry.authorization(settings),
    )
    processes = {"registry": registry.start(settings)}
    settings = _recorded(settings, processes)
    processes["service"] = _start_service(settings)
    settings = _recorded(settings, processes)
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(settings):
        for name, process in processes.items():
            if process.poll() is not None:
                raise LocalError(
                    f"the {name} ended with {process.returncode}: {_tail(settings, name)}"
                )
        if time.monotonic() > deadline:
            raise LocalError(
                f"the services don't answer after {_START_SECONDS:.0f} s: {_tail(settings, 'service')}"
            )
        time.sleep(_POLL_SECONDS)
    return settings


def _recorded(
    settings: Settings, processes: dict[str, subprocess.Popen[bytes]]
) -> Settings:
    """Written down before the next step, so that `down` always finds what was started."""
    _children.update((process.pid, process) for process in processes.values())
    known = tuple(Process.of(process.pid) for process in processes.values())
    settings = dataclasses.replace(settings, processes=known)
    settings.save()
    return settings


def _start_service(settings: Settings) -> subprocess.Popen[bytes]:
    # Whoever calls may be set up for real AWS: the service must not be.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AWS_")
    }
    with (settings.directory / "service.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "launcher.local.service", str(settings.directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def _answers(settings: Settings) -> bool:
    if not registry.Registry(settings).answers():
        return False
    try:
        with _open(
            f"{settings.endpoint_url}/moto-api/data.json", timeout=_START_SECONDS
        ):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def _end(process: Process) -> None:
    deadline = time.monotonic() + _END_SECONDS
    number = signal.SIGTERM
    while process.is_alive():
        os.kill(process.pid, number)
        _reap(process.pid)
        if time.monotonic() > deadline:
            if number is signal.SIGKILL:
                raise LocalError(f"process {process.pid} doesn't end")
            number, deadline = signal.SIGKILL, deadline + _END_SECONDS
        time.sleep(_POLL_SECONDS)


def _reap(pid: int) -> None:
    """A child of this very process stays a zombie until it is waited for."""
    if (child := _children.get(pid)) is not None and child.poll() is not None:
        del _children[pid]


def _tail(settings: Settings, name: str) -> str:
    lines = (
        (settings.directory / f"{name}.log").read_text(errors="replace").splitlines()
    )
    return " | ".join(lines[-_LOG_LINES:])
