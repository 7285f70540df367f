"""Serves a model's files on this machine while the playground runs: in a container of
the image, or by the `serve` command if this installation has all that it needs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

from launcher.docker import last_line, run_docker
from launcher.errors import ConfigError, ImageError, LauncherError
from launcher.images import local_image
from launcher.ports import LOOPBACK, free_port, open_url
from movielens.packed_files import unpack

_MANIFEST = "manifest.json"
_START_SECONDS = 120.0
_POLL_SECONDS = 0.05
_LABEL = "org.halfstar=1"
# What `serve` imports that a launcher alone doesn't bring.
_NEEDED = ("httptools", "orjson", "uvicorn", "xgboost")
# One worker answers all, so that it has imported XGBoost after the first question.
_SETTINGS = {"HALFSTAR_WORKERS": "1"}


@contextlib.contextmanager
def model_files(path: Path) -> Iterator[Path]:
    """The directory of a model, or of the files of its ``model.tar.gz``.

    Raises:
        ConfigError: it is neither.
    """
    if (path / _MANIFEST).is_file():
        yield path.resolve()
        return
    if not path.is_file():
        raise ConfigError(
            f"--model is {path}, expected a directory with {_MANIFEST}, "
            "or a model.tar.gz"
        )
    with tempfile.TemporaryDirectory(prefix="halfstar-play-") as name:
        directory = Path(name)
        try:
            unpack(path, directory)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
        if not (directory / _MANIFEST).is_file():
            raise ConfigError(f"{path} has no {_MANIFEST}: it is no model of ours")
        yield directory


@contextlib.contextmanager
def serving(directory: Path, image: str, say: Callable[[str], None]) -> Iterator[str]:
    """The address of a server of a model's files, which ends with the context.

    Args:
        directory: the files.
        image: a local image, used if there is a Docker engine that has it.
        say: told what is started.

    Raises:
        LauncherError: neither can be started, or the model isn't served in time.
    """
    if _has_image(image):
        say(f"serve {directory} in a container of {image}")
        with _container(directory, image) as url:
            yield url
    elif all(importlib.util.find_spec(name) for name in _NEEDED):
        say(f"serve {directory} by a process of this machine")
        with _process(directory) as url:
            yield url
    else:
        raise LauncherError(
            f"there is no local image {image}: run `launcher build`, or name another "
            "with --image"
        )


def _has_image(image: str) -> bool:
    try:
        return local_image(image) is not None
    except ImageError:  # no engine, or no client
        return False


@contextlib.contextmanager
def _container(directory: Path, image: str) -> Iterator[str]:
    port = free_port()
    settings = [f"--env={name}={value}" for name, value in _SETTINGS.items()]
    started = run_docker(
        "run",
        "--detach",
        "--label",
        _LABEL,
        "--publish",
        f"{LOOPBACK}:{port}:8080",
        "--volume",
        f"{directory}:/opt/ml/model:ro",
        *settings,
        image,
        "serve",
    )
    if started.returncode:
        raise ImageError(f"docker run {image}: {last_line(started.stderr)}")
    container = started.stdout.strip()
    try:
        yield _wait(port, lambda: _is_running(container))
    except LauncherError:
        log = run_docker("logs", "--tail", "20", container)
        sys.stderr.write(log.stdout + log.stderr)
        raise
    finally:
        run_docker("rm", "--force", container)


def _is_running(container: str) -> bool:
    state = run_docker("inspect", "--format", "{{.State.Running}}", container)
    return state.stdout.strip() == "true"


@contextlib.contextmanager
def _process(directory: Path) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="halfstar-play-") as base_dir:
        (Path(base_dir) / "model").symlink_to(directory)
        environment = {
            **os.environ,
            **_SETTINGS,
            "SAGEMAKER_BASE_DIR": base_dir,
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        command = [sys.executable, "-m", "serve"]
        with subprocess.Popen(command, env=environment, stdout=2) as process:
            try:
                yield _wait(port, lambda: process.poll() is None)
            finally:
                process.terminate()


def _wait(port: int, is_running: Callable[[], bool]) -> str:
    """The address of a server once it is healthy."""
    url = f"http://{LOOPBACK}:{port}"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            open_url(f"{url}/ping", timeout=2),
        ):
            return url
        if not is_running():
            raise LauncherError("the model can't be served: its log is above")
        time.sleep(_POLL_SECONDS)
    raise LauncherError(f"{url}/ping didn't answer within {_START_SECONDS:.0f} s")
