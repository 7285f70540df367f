"""Turns ``docker run IMAGE train`` or ``… serve`` into that command, as process 1.

The command replaces this process, so it gets SIGTERM itself: there is no shell or init
process in between. The image starts this file with ``python -I -S``, which skips
site-packages, so it takes a few milliseconds.
"""

from __future__ import annotations

import os
import sys

COMMANDS = ("train", "serve")
DEFAULT_COMMAND = "train"


def main(arguments: list[str]) -> int:
    """Become the command that the arguments name.

    Returns only if the image has no such command, with the exit code of a usage error.
    """
    command, *rest = arguments or [DEFAULT_COMMAND]
    if command in COMMANDS:
        # The console scripts are beside the interpreter of their virtual environment.
        bin_dir = sys.executable.rpartition("/")[0]
        script = f"{bin_dir}/{command}"
        os.execv(script, [script, *rest])

    print(
        f"{command!r} is not a command of this image; use {' or '.join(COMMANDS)}",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
