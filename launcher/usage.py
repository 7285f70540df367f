"""What may have been meant by a command line that can't be understood.

Somebody who types an option that a command lacks has one of these in mind, and the
first that fits is said:

1. an argument of the command
2. a hyperparameter, or a setting of just this command
3. an option of other commands
4. any other setting
5. one of the command's own options, spelled otherwise
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from launcher.config import describe_settings
from launcher.specification import default_hyperparameters

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer.exceptions import TyperException

_UNKNOWN_COMMAND = re.compile("No such command '(.+?)'")
_MISSING = re.compile("Missing argument '(.+)'")
# What typer says in words that few people use, and the same in plain ones.
_PLAINER = (
    (re.compile("Value error, "), ""),
    (re.compile("Input should be a valid integer.*"), "expected a whole number"),
    (re.compile("Input should be a valid number.*"), "expected a number"),
    (
        re.compile("Input should be greater than or equal to (.+)"),
        r"expected at least \1",
    ),
    (
        re.compile(r"Got unexpected extra argument\(s\) \((.+)\)"),
        r"Unexpected arguments: \1",
    ),
    (re.compile("'(.+)' is not one of (.+)"), r"'\1' is none of \2"),
)
# The tables of the configuration that are about one command.
_TABLES = {
    "train": "training",
    "tune": "tuning",
    "deploy": "hosting",
    "transform": "transform",
}
# How alike two names are that mean the same, from 0 to 1.
_ALIKE = 0.75
# Fewer letters are the beginning of anything.
_SHORTEST_BEGINNING = 3
_MOST_NAMES = 3


def explained(error: TyperException) -> str:
    """One line: what is wrong, what may have been meant, and what lists the rest."""
    from typer._click.exceptions import NoSuchOption

    message = _plain(error)
    context: Context | None = getattr(error, "ctx", None)
    if context is None:
        return f"{message}; `launcher --help` lists commands and options"

    meant = ""
    unknown_command = _UNKNOWN_COMMAND.match(message)
    if isinstance(error, NoSuchOption):
        message = f"No such option: {error.option_name}"
        meant = _meant_by_option(context, error.option_name)
    elif unknown_command is not None:
        message = unknown_command[0]
        meant = _meant_by_command(context, unknown_command[1])
    path = context.command_path
    listed = "commands" if _is_group(context.command) else "arguments"
    where = f"`{path} --help` lists {listed} and options"
    said = "; ".join(part for part in (message, meant, where) if part)
    return said.replace("?; ", "? ")


def _plain(error: TyperException) -> str:
    """What typer says, in plainer words."""
    message = error.format_message().removesuffix(".")
    missing = _MISSING.fullmatch(message)
    if missing is not None:
        return f"Missing argument: {missing[1].upper()}"
    for said, plainer in _PLAINER:
        message = said.sub(plainer, message)
    return message


def _meant_by_option(context: Context, option: str) -> str:
    """What was meant by an option that the command lacks, or nothing."""
    command = context.command
    path = context.command_path
    own = _options(command)
    typed = option.lstrip("-").replace("-", "_")
    argument = _arguments(command).get(typed)
    if argument is not None:
        return f"{argument.split()[0]} is an argument: `{path} {argument}`"
    if "--hyperparameter" in own and typed in default_hyperparameters():
        return f"{typed} is a hyperparameter: -p {typed}=VALUE"

    keys = _settings(typed) if "--set" in own else []
    own_key = f"{_TABLES.get(context.info_name or '')}.{typed}"
    if own_key in keys:
        return _as_settings([own_key])
    others = _having(option, context)
    if others and _is_group(command):
        return f"it comes after the command, as in `{others[0]} {option}`"
    if others:
        return f"{_some_of(others)} {'has' if len(others) == 1 else 'have'} it"
    if keys:
        return _as_settings(keys)
    return _did_you_mean(_similar_options(option, own))


def _meant_by_command(context: Context, typed: str) -> str:
    """What was meant by a command that there isn't, or nothing."""
    commands = _all_commands(context.find_root())
    elsewhere = [path for path in commands if path.split()[-1] == typed]
    if elsewhere:
        return _did_you_mean(f"`{path}`" for path in elsewhere)
    here = _beside(context.command_path, commands)
    for paths in (here, list(commands)):
        by_name = {path.split()[-1]: path for path in paths}
        similar = difflib.get_close_matches(typed, by_name, cutoff=_ALIKE)
        if similar:
            return _did_you_mean(f"`{by_name[name]}`" for name in similar)
    return ""


def _all_commands(root: Context) -> dict[str, Command]:
    """Every command, also those of groups, by what is typed for it."""
    found: dict[str, Command] = {}
    groups = [(root.command_path, root.command)]
    while groups:
        path, group = groups.pop(0)
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            found[f"{path} {name}"] = command
            if _is_group(command):
                groups.append((f"{path} {name}", command))
    return found


def _beside(group: str, commands: Mapping[str, Command]) -> list[str]:
    """The commands of a group, by what is typed for them."""
    return [path for path in commands if path.rpartition(" ")[0] == group]


def _having(option: str, context: Context) -> list[str]:
    """Commands that have an option: those of a group, or those beside a command."""
    commands = _all_commands(context.find_root())
    path = context.command_path
    group = path if _is_group(context.command) else path.rpartition(" ")[0]
    return [
        other
        for other in _beside(group, commands)
        if option in _options(commands[other])
    ]


def _is_group(command: Command) -> bool:
    return hasattr(command, "commands")


def _options(command: Command) -> set[str]:
    return {
        spelling
        for parameter in command.params
        if parameter.param_type_name == "option"
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }


def _arguments(command: Command) -> dict[str, str]:
    """How the arguments are shown in the help, by name."""
    return {
        parameter.name: parameter.metavar or parameter.name.upper()
        for parameter in command.params
        if parameter.param_type_name == "argument" and parameter.name
    }


def _settings(typed: str) -> list[str]:
    """The settings that have a name, with their table's name or without."""
    return [
        key
        for key, *_ in describe_settings()
        if typed in (key.rpartition(".")[2], key.replace(".", "_"), key)
    ]


def _as_settings(keys: Iterable[str]) -> str:
    ways = " or ".join(f"--set {key}=VALUE" for key in keys)
    return f"it is a setting: {ways}"


def _similar_options(typed: str, own: Iterable[str]) -> list[str]:
    """Options that are spelled like what was typed, the most alike first."""
    word = typed.lstrip("-")
    by_likeness: dict[str, float] = {}
    for option in sorted(own):
        name = option.lstrip("-")
        shorter, longer = sorted((word, name), key=len)
        begins = longer.startswith(shorter) and len(shorter) >= _SHORTEST_BEGINNING
        likeness = difflib.SequenceMatcher(None, word, name).ratio()
        if begins or likeness >= _ALIKE:
            by_likeness[option] = likeness
    return sorted(by_likeness, key=lambda option: -by_likeness[option])


def _did_you_mean(names: Iterable[str]) -> str:
    meant = " or ".join(list(names)[:_MOST_NAMES])
    return f"did you mean {meant}?" if meant else ""


def _some_of(paths: list[str]) -> str:
    """Commands as a list in words, of which some may only be counted."""
    named = [f"`{path}`" for path in paths[:_MOST_NAMES]]
    rest = len(paths) - len(named)
    if rest:
        last = f"{rest} more"
    else:
        *named, last = named
    if not named:
        return last
    return f"{', '.join(named)} and {last}"
