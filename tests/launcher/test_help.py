from __future__ import annotations

import pytest
import typer.main

from launcher.cli import app
from launcher.local.cli import app as local
from tests.launcher.conftest import Launcher

COMMANDS = [
    *((each.callback.__name__,) for each in app.registered_commands if each.callback),
    *(
        ("local", each.callback.__name__)
        for each in local.registered_commands
        if each.callback
    ),
    ("local",),
    (),
]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal_and_has_no_marks_for_types(
    launcher: Launcher,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    columns: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = launcher(*command, "--help").out
    assert max(len(line) for line in shown.splitlines()) <= columns
    for mark in ("<", ">", "{", "}", "[required]"):
        assert mark not in shown


def test_every_argument_and_option_says_what_it_is() -> None:
    group = typer.main.get_command(app)
    commands = [*group.commands.values()]  # type: ignore[attr-defined]
    commands += group.commands["local"].commands.values()  # type: ignore[attr-defined]
    for command in commands:
        for parameter in command.params:
            assert parameter.help, f"{command.name} {parameter.name} has no help"


def test_sentences_in_a_list_of_commands_are_whole(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = launcher("local", "--help").out
    assert "any moment." in shown
    assert "as AWS may" in " ".join(shown.split())


def test_own_options_are_apart_from_those_of_all_commands(launcher: Launcher) -> None:
    shown = launcher("train", "--help").out
    own, _, shared = shown.partition("\nOptions of all commands:\n")
    assert "--spot / --on-demand" in own
    assert "How many.  [at least 1]" in own
    assert "--region REGION" in shared
    assert "-h, --help" in shared


def test_arguments_are_shown_as_they_are_typed(launcher: Launcher) -> None:
    lines = launcher("data", "--help").out.splitlines()
    assert lines[0] == "Usage: launcher data [OPTIONS] [DIRECTORY]"
    assert "  DIRECTORY  Raw MovieLens files (setting: data)." in lines
    lines = launcher("compare", "--help").out.splitlines()
    assert lines[0] == "Usage: launcher compare [OPTIONS] JOB JOB..."
    assert "  JOB JOB  Completed training jobs." in lines


def test_options_of_launcher_local_are_its_own(launcher: Launcher) -> None:
    shown = launcher("local", "up", "--help").out
    assert "--region TEXT" in shown
    assert "Options of all commands" not in shown
