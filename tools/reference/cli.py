"""The page of the launcher's commands: what each prints for ``--help``."""

from __future__ import annotations

from collections.abc import Iterator

import typer.main
from typer.testing import CliRunner

from launcher.cli import app
from launcher.options import CommandLine
from tools.reference.markdown import block, page, table

_INTRODUCTION = """\
`launcher COMMAND --help` prints what is here. [The launcher](../launcher.md) says how
commands plan, what they create, and how they end."""

# So wide that options and their meanings stand side by side.
_WIDTH = "96"


def cli_page() -> str:
    """All commands with all their options."""
    groups = {"launcher": (), "launcher local": ("local",)}
    rows = []
    parts = []
    for name, path in groups.items():
        parts += [f"## `{name}`", block(help_of(*path))]
        for command, meaning in commands_of(*path):
            title = f"{name} {command}"
            anchor = title.replace(" ", "-")
            rows.append((f"[`{title}`](#{anchor})", meaning))
            parts += [f"### `{title}`", block(help_of(*path, command))]
    return page("Commands", _INTRODUCTION, table(("command", "does"), rows), *parts)


def commands_of(*path: str) -> Iterator[tuple[str, str]]:
    """Name and first sentence of each command of a group that is no group itself."""
    group = typer.main.get_command(app)
    for name in path:
        group = group.commands[name]  # type: ignore[attr-defined]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if not hasattr(command, "commands"):
            help_text = " ".join((command.help or "").split())
            yield name, help_text.partition(". ")[0].rstrip(".")


def help_of(*path: str) -> str:
    """What a command prints for ``--help``."""
    runner = CliRunner(env={"COLUMNS": _WIDTH, "TERMINAL_WIDTH": _WIDTH})
    given = [*path, "--help"]
    result = runner.invoke(app, given, prog_name="launcher", obj=CommandLine())
    if result.exit_code:
        raise RuntimeError(f"{path}: {result.output}")
    return str(result.output)
