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

from pathlib import Path
from typing import Annotated

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
from launcher.commands.play import play
from launcher.commands.predict import predict
from launcher.commands.push import push
from launcher.commands.recommend import recommend
from launcher.commands.register import register
from launcher.commands.report import report
from launcher.commands.status import status
from launcher.commands.stop import stop
from launcher.commands.train import train
from launcher.commands.transform import transform
from launcher.commands.tune import tune
from launcher.config import FILE
from launcher.local.cli import app as local
from launcher.options import CommandLine, given_settings, parse_assignments

app = typer.Typer(
    name="launcher",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def before_the_command(
    context: typer.Context,
    config_file: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Configuration file.")
    ] = FILE,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting; `launcher config` lists them.",
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the AWS configuration files.")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="One address for all AWS services.")
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Registry to use instead of ECR's own host."),
    ] = None,
    poll_seconds: Annotated[
        float, typer.Option(help="Time between two looks at a job.", min=0.05)
    ] = 5.0,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace of an error.")
    ] = False,
) -> None:
    """Build and push the image, run it on SageMaker, and clean up. Each command is
    planned before it is performed.
    """
    own_options = {
        "region": region,
        "profile": profile,
        "endpoint_url": endpoint_url,
        "registry": registry,
    }
    command_line: CommandLine = context.obj
    command_line.path = config_file
    command_line.options = {
        **given_settings(own_options),
        **parse_assignments(assignments or [], "--set"),
    }
    command_line.poll_seconds = poll_seconds
    command_line.debug = debug
    if context.invoked_subcommand is None:
        print(context.get_help())


# The list of commands, in the order of `launcher --help`.
app.command()(init)
app.command()(config)
app.command()(doctor)
app.command()(data)
app.command(context_settings=build_command.CONTEXT_SETTINGS)(build)
app.command()(push)
app.command()(train)
app.command()(tune)
app.command()(report)
app.command()(compare)
app.command()(deploy)
app.command()(predict)
app.command()(recommend)
app.command()(play)
app.command()(transform)
app.command()(register)
app.command()(status)
app.command()(logs)
app.command()(stop)
app.command()(cleanup)
app.add_typer(local, name="local")
