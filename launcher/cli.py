"""The command line: the options before the command, and the list of commands.

To add a command:

1. Write its function in a module of its own in ``launcher/commands/``. The function's
   parameters are the command's options (`launcher.options` has those that several
   commands share), and its docstring is the help.
2. Add its line to the list at the end of this module.

All of these modules are imported for ``launcher --help``, so what is slow to import
(boto3, numpy, pyarrow, rich) is imported by the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from launcher.commands import build as build_command
from launcher.commands.build import build
from launcher.commands.cleanup import cleanup
from launcher.commands.compare import compare
from launcher.commands.config import config
from launcher.commands.data import data
from launcher.commands.deploy import deploy
from launcher.commands.doctor import doctor
from launcher.commands.init import init
from launcher.commands.logs import logs
from launcher.commands.onboarding import onboarding
from launcher.commands.play import play
from launcher.commands.policy import policy
from launcher.commands.predict import predict
from launcher.commands.push import push
from launcher.commands.recommend import recommend
from launcher.commands.register import register
from launcher.commands.report import report
from launcher.commands.rollback import rollback
from launcher.commands.status import status
from launcher.commands.stop import stop
from launcher.commands.train import train
from launcher.commands.transform import transform
from launcher.commands.tune import tune
from launcher.help import PlainCommand, PlainGroup
from launcher.local.cli import app as local
from launcher.options import with_common_options

app = typer.Typer(
    name="launcher",
    cls=PlainGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def before_the_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print it.")] = False,
) -> None:
    """Build and push the image, run it on SageMaker, and clean up. Each command is
    planned before it is performed.
    """
    if version:
        from importlib.metadata import version as version_of

        print(f"launcher {version_of('halfstar')}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        print(context.get_help())


app.callback()(with_common_options(before_the_command))


def add(
    command: Callable[..., None], *, without: tuple[str, ...] = (), **settings: Any
) -> None:
    """Add a command to the list.

    Args:
        command: its function.
        without: common options whose names mean something else to it.
        **settings: of typer's command.
    """
    app.command(cls=PlainCommand, **settings)(
        with_common_options(command, without=without)
    )


# The list of commands, in the order of `launcher --help`.
add(init)
add(config)
add(doctor)
add(data)
# Docker has options of its own.
add(
    build,
    without=("output_format",),
    context_settings=build_command.CONTEXT_SETTINGS,
)
add(push)
add(train)
add(tune)
# Its --output is a file.
add(report, without=("output_format",))
add(compare)
add(deploy)
add(rollback)
add(predict)
add(recommend)
add(onboarding)
add(play)
# Its --output is a file.
add(transform, without=("output_format",))
add(register)
add(policy)
add(status)
add(logs)
add(stop)
add(cleanup)
app.add_typer(local, name="local", cls=PlainGroup)
for each in local.registered_commands:
    each.cls = PlainCommand
