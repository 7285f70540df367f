"""``launcher`` and ``python -m launcher``: runs a command and says in one line why it
failed.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launcher.options import Run

INTERRUPTED = 130
BUG = 70


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 for a failure, 2 for wrong input, 3 for a
    failed job, 130 for Ctrl-C.
    """
    import typer
    from typer.exceptions import TyperException

    from launcher.cli import app
    from launcher.errors import LauncherError
    from launcher.options import Run
    from movielens.errors import HalfstarError

    run = Run()
    try:
        # Not standalone: it gives the code of --help and its like, and leaves every
        # fault to the lines below.
        code = typer.main.get_command(app).main(
            arguments, "launcher", standalone_mode=False, obj=run
        )
        # Ctrl-C arrives as its code.
        return (
            _say(_interrupted(run), INTERRUPTED)
            if code == INTERRUPTED
            else int(code or 0)
        )
    except TyperException as error:
        return _say(
            f"{error.format_message()}; `launcher COMMAND --help` shows what there is",
            error.exit_code,
        )
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return 1
    except (LauncherError, HalfstarError) as error:
        if run.debug:
            traceback.print_exc()
        return _say(str(error), getattr(error, "exit_code", 2))
    except OSError as error:
        # A full disk, or a file that may not be read or written: AWS's and docker's
        # faults have been told apart by now.
        if run.debug:
            traceback.print_exc()
        return _say(f"{error.filename or 'this machine'}: {error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001 - a bug, which is said to be one
        if run.debug:
            traceback.print_exc()
        return _say(
            f"a bug: {type(error).__name__}: {error}; --debug before the command shows the trace",
            BUG,
        )


def _interrupted(run: Run) -> str:
    if run.session is None or not run.session.doing:
        return "interrupted before anything was changed"
    return f"interrupted while: {run.session.doing}; {run.session.resume}"


def _say(message: str, code: int) -> int:
    print(f"launcher: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
