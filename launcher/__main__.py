"""``launcher`` and ``python -m launcher``: run a command, and say in one line why it
failed.
"""

from __future__ import annotations

import functools
import sys
import traceback
from typing import TYPE_CHECKING

from launcher.redaction import redacted

if TYPE_CHECKING:
    from typer._click.core import Command

    from launcher.options import CommandLine

FAILURE = 1
WRONG_INPUT = 2
BUG = 70
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command, and return the exit code.

    It is 0, 1 for a failure, 2 for wrong input, 3 for a failed job, 70 for a bug of the
    launcher, 130 after Ctrl-C.

    Args:
        arguments: those of the command line, ``sys.argv`` by default.
    """
    from typer._click.exceptions import NoArgsIsHelpError
    from typer.exceptions import TyperException

    from launcher.errors import LauncherError
    from launcher.options import CommandLine
    from movielens.errors import HalfstarError

    command_line = CommandLine()
    try:
        # Not standalone, so errors arrive here. Ctrl-C arrives as its exit code.
        returned = _commands().main(
            arguments, "launcher", standalone_mode=False, obj=command_line
        )
    except NoArgsIsHelpError as error:
        print(error.format_message())
        return 0
    except TyperException as error:
        from launcher.usage import explained

        return _fail(explained(error), error.exit_code)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return FAILURE
    except Exception as error:  # noqa: BLE001 - the one catch; anything unknown is a bug
        if command_line.debug:
            print(redacted(traceback.format_exc()), file=sys.stderr)
        match error:
            case LauncherError():
                return _fail(str(error), error.exit_code)
            case HalfstarError():
                return _fail(str(error), WRONG_INPUT)
            case OSError():
                # AWS's and docker's errors are LauncherErrors by now. This is a file
                # that can't be read or written, or a full disk.
                where = error.filename or "this machine"
                return _fail(f"{where}: {error.strerror or error}", FAILURE)
            case _:
                said = f"a bug: {type(error).__name__}: {error}"
                how = "--debug shows the trace"
                return _fail(f"{said}; {how}", BUG)

    if returned == INTERRUPTED:
        return _fail(_interrupted(command_line), INTERRUPTED)
    return int(returned or 0)


@functools.cache
def _commands() -> Command:
    """All commands, which typer makes from the signatures of functions."""
    import typer

    from launcher.cli import app

    return typer.main.get_command(app)


def _interrupted(command_line: CommandLine) -> str:
    session = command_line.session
    if session is None or not session.doing:
        return "interrupted before anything was changed"
    return f"interrupted while: {session.doing}; {session.resume}"


def _fail(message: str, code: int) -> int:
    from launcher.terminal import has_colours, red, show_progress

    show_progress("")
    name = red("launcher:") if has_colours(sys.stderr) else "launcher:"
    print(f"{name} {redacted(message)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
