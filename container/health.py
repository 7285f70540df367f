"""Docker's health check: a server is healthy if ``/ping`` answers 200.

A training job has no server. It is healthy as long as it runs, so nothing that looks at
the health of containers ends it. The image starts this file with ``python -I -S``, so
that a check takes little time and memory.
"""

from __future__ import annotations

import os
import sys

FIRST_PROCESS = "/proc/1/cmdline"
DEFAULT_PORT = "8080"
SECONDS = 5.0
REQUEST = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_server(command_line: bytes) -> bool:
    """Whether a command line is that of ``serve``.

    Args:
        command_line: words that end with a NUL each, as Linux shows them.
    """
    words = command_line.split(b"\0")
    return any(word.rpartition(b"/")[2] == b"serve" for word in words)


def ping(port: int, seconds: float = SECONDS) -> str:
    """The status line of the answer to ``/ping``, or why there is none."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as connection:
            connection.sendall(REQUEST)
            answer = connection.makefile("rb").readline(1024)
    except OSError as error:
        return f"no answer on port {port}: {error}"
    return answer.decode("latin-1").strip()


def main() -> int:
    """Check, and print the reason; gives the exit code."""
    with open(FIRST_PROCESS, "rb") as file:  # noqa: PTH123 pathlib takes 10 ms to import
        command_line = file.read()
    if not is_server(command_line):
        print("no server runs here, so there is nothing to ask")
        return 0

    status = ping(int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or DEFAULT_PORT))
    print(status)
    return 0 if status.split(" ")[1:2] == ["200"] else 1


if __name__ == "__main__":
    sys.exit(main())
