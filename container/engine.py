"""Makes sure that a Docker engine answers: ``python -m container.engine``.

An engine that already runs is used as it is. If there is none and this process may
install packages, Debian's docker.io is installed and started. Otherwise the command
says what to do and exits with 1.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from container import debian
from launcher.docker import run_docker
from launcher.errors import ImageError

LOG = Path("/tmp/halfstar-dockerd.log")
START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
POLL_SECONDS = 0.2
ADVICE = (
    "Start an engine that this user may use (`docker version` then names a server), "
    "or run this as root on Debian, where docker.io is installed and started for you."
)
# Newer releases of Debian have the client in a package of its own. dockerd's bridge
# network needs iptables.
PACKAGES = ("docker.io", "docker-cli", "iptables")


class EngineError(Exception):
    """No engine answers; the message says why and what to do."""


def engine_answers(seconds: float = ANSWER_SECONDS) -> bool:
    """Whether a Docker engine answers the ``docker`` client within ``seconds``."""
    return _why_no_answer(seconds) is None


def ensure_engine() -> None:
    """Return once an engine answers; start one if none does.

    Raises:
        EngineError: if none answers and none can be started.
        subprocess.CalledProcessError: if a command fails; it has printed why.
    """
    reason = _why_no_answer()
    if reason is None:
        return
    if not debian.may_install():
        raise EngineError(f"no Docker engine answers: {reason}\n{ADVICE}")
    debian.ensure_commands({"docker": PACKAGES, "dockerd": PACKAGES})
    _start()


def _start() -> None:
    """Start the engine through systemd, or as a process where there is no systemd."""
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=True)
        _wait(None)
        return

    print(f"starting dockerd; its log is {LOG}", file=sys.stderr)
    with LOG.open("ab") as log:
        # It gets a session of its own, to outlive this command and to miss its Ctrl-C.
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    _wait(process)


def _wait(process: subprocess.Popen[bytes] | None) -> None:
    """Return once the engine answers; fail if its process ends or time runs out."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        reason = _why_no_answer()
        if reason is None:
            return
        if process is not None and process.poll() is not None:
            lines = LOG.read_text(errors="replace").splitlines()
            last_lines = "\n".join(lines[-5:])
            raise EngineError(
                f"dockerd ended with {process.returncode}; "
                f"the last lines of {LOG}:\n{last_lines}"
            )
        if time.monotonic() > deadline:
            raise EngineError(
                f"no Docker engine answers after {START_SECONDS:.0f} s: "
                f"{reason}\n{ADVICE}"
            )
        time.sleep(POLL_SECONDS)


def _why_no_answer(seconds: float = ANSWER_SECONDS) -> str | None:
    """Why no engine answers, in the client's own words; None if one does."""
    try:
        version = run_docker(
            "version", "--format", "{{.Server.Version}}", seconds=seconds
        )
    except ImageError as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"`docker version` took more than {seconds:.0f} s"
    if version.returncode == 0:
        return None
    exit_status = f"`docker version` exited with {version.returncode}"
    return version.stderr.strip() or exit_status


def main() -> int:
    """Ensure that an engine answers; gives the exit code."""
    try:
        ensure_engine()
    except (
        EngineError,
        debian.MissingCommandError,
        subprocess.CalledProcessError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    print("a Docker engine answers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
