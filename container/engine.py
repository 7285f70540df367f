"""Makes sure that a Docker engine answers: ``python -m container.engine``.

A running engine is used as it is. Where there is none and this process may install
packages, Debian's docker.io is installed and started; anywhere else the command says
what to do and exits with 1.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from container import debian

LOG = Path("/tmp/halfstar-dockerd.log")
START_SECONDS = 60.0
ADVICE = (
    "Start an engine that this user may use (`docker version` then names a server), or run this as root on Debian, "
    "where docker.io is installed and started for you."
)


class EngineError(Exception):
    """No engine answers; the message says why and what to do."""


def engine_answers(seconds: float = 5.0) -> bool:
    """Whether a Docker engine answers the ``docker`` client within ``seconds``."""
    return _complaint(seconds) is None


def ensure_engine() -> None:
    """Return once an engine answers, started here if need be.

    Raises:
        EngineError: if none does and none can be started.
    """
    complaint = _complaint()
    if complaint is None:
        return
    if not debian.may_install():
        raise EngineError(f"no Docker engine answers: {complaint}\n{ADVICE}")
    if not (shutil.which("dockerd") and shutil.which("docker")):
        print("no Docker engine here: installing docker.io", file=sys.stderr)
        # Newer releases have the client in a package of its own; dockerd's bridge
        # network needs iptables.
        debian.install("docker.io", "docker-cli", "iptables")
    _start()


def _start() -> None:
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=True)
        return _wait(None)
    print(f"starting dockerd; its log is {LOG}", file=sys.stderr)
    with LOG.open("ab") as log:
        # In a session of its own, so that it outlives this command and isn't reached by
        # Ctrl-C.
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    return _wait(process)


def _wait(process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (complaint := _complaint()) is not None:
        if process is not None and process.poll() is not None:
            last_lines = "\n".join(LOG.read_text(errors="replace").splitlines()[-5:])
            raise EngineError(
                f"dockerd ended with {process.returncode}; the last lines of {LOG}:\n{last_lines}"
            )
        if time.monotonic() > deadline:
            raise EngineError(
                f"no Docker engine answers after {START_SECONDS:.0f} s: {complaint}\n{ADVICE}"
            )
        time.sleep(0.2)


def _complaint(seconds: float = 5.0) -> str | None:
    """Why no engine answers, in the client's own words, or None when one does."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no `docker` command"
    command = [docker, "version", "--format", "{{.Server.Version}}"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"`docker version` took more than {seconds:.0f} s"
    if answer.returncode == 0:
        return None
    return answer.stderr.strip() or f"`docker version` exited with {answer.returncode}"


def main() -> int:
    """Ensure an engine; the exit code."""
    try:
        ensure_engine()
    except (EngineError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print("a Docker engine answers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
