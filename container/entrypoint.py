"""Turns the argument of ``docker run IMAGE train|serve`` into that command, as process
1.

The command replaces this process, so that it gets SIGTERM itself: no shell or init
    process stands in between. The
image starts this file with ``python -I -S``, which loads no site-packages, so it costs
a few milliseconds.
"""

from __future__ import annotations

import os
import sys

COMMANDS = ("train", "serve")


def main(arguments: list[str]) -> int:
    """Become the named command; returns only when there is none of that name, with the
    exit code of a usage error.
    """
    command, *rest = arguments or COMMANDS[:1]
    if command in COMMANDS:
        # The console scripts lie beside the interpreter of their virtual environment.
        script = f"{sys.executable.rpartition('/')[0]}/{command}"
        os.execv(script, [script, *rest])
    print(
        f"{command!r} is no command of this image; it has {' and '.join(COMMANDS)}",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
