"""The help of commands, without the library's marks for types and ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperGroup

from launcher.options import common_option_names

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

# What the library says, and what people do.
_TYPES = {
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<list[str]>": "TEXT",
    "<path>": "PATH",
    "<str>": "TEXT",
}
_CHOICES = re.compile("<(.+)>")
_AT_LEAST = re.compile(r"\bx>=([\d.]+)")
_BETWEEN = re.compile(r"\b(\d+)<=x<=(\d+)")
# In characters; docstrings have shorter ones.
_LONGEST_SENTENCE = 1000
_SHARED = {*common_option_names(), "help"}

Record = tuple[str, str]
"""The name of an argument or an option as it is typed, and what it means."""


class PlainCommand(TyperCommand):
    """A command."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Options and arguments; those that are needed have no marks."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "").upper() for piece in pieces]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write arguments and options below each other."""
        _write_parameters(self, ctx, formatter)


class PlainGroup(TyperGroup):
    """A group of commands."""

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write options, then commands below each other."""
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write each command with its first sentence, which is never cut."""
        records: list[Record] = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                sentence = command.get_short_help_str(_LONGEST_SENTENCE)
                records.append((name, sentence))
        with formatter.section("Commands"):
            formatter.write_dl(records)


def _write_parameters(command: Command, ctx: Context, formatter: HelpFormatter) -> None:
    arguments: list[Record] = []
    own: list[Record] = []
    shared: list[Record] = []
    parameters = command.get_params(ctx)
    # `launcher local` has options of its own, of which one is called `--region` too.
    shares_options = any("--set" in each.opts for each in parameters)
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        name, meaning = record
        if parameter.param_type_name == "argument":
            name = name.partition(" <")[0].upper()
            # The line of usage says it.
            meaning = meaning.removesuffix("[required]").rstrip()
            arguments.append((name, meaning))
            continue
        is_shared = shares_options and parameter.name in _SHARED
        options = shared if is_shared else own
        options.append((_in_words(name), _ranges_in_words(meaning)))
    sections = {
        "Arguments": arguments,
        "Options": own,
        "Options of all commands": shared,
    }
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _in_words(name: str) -> str:
    """An option with the kind of its value in one word, or with its choices."""
    for mark, word in _TYPES.items():
        name = name.replace(mark, word)
    return _CHOICES.sub(r"\1", name)


def _ranges_in_words(meaning: str) -> str:
    """A meaning with its bounds in words.

    Example:
        >>> _ranges_in_words("How many.  [default: 10; 1<=x<=1000]")
        'How many.  [default: 10; 1 to 1000]'
    """
    between = _BETWEEN.sub(r"\1 to \2", meaning)
    return _AT_LEAST.sub(r"at least \1", between)
