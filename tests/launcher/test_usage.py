from __future__ import annotations

import pytest

from tests.launcher.conftest import Launcher


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        # An argument.
        (
            "transform --file rows.csv",
            "No such option: --file; FILE is an argument: `launcher transform FILE`; "
            "`launcher transform --help` lists arguments and options",
        ),
        ("status --name x", "NAME is an argument: `launcher status NAME`"),
        # A hyperparameter, or a setting of the command.
        ("train --eta 0.1", "eta is a hyperparameter: -p eta=VALUE"),
        ("train --max-seconds 9", "it is a setting: --set training.max_seconds=VALUE"),
        (
            "transform --instance-type x",
            "it is a setting: --set transform.instance_type=VALUE",
        ),
        # An option of other commands.
        ("train --kind async", "`launcher deploy` has it"),
        ("predict --yes", "`launcher tune` and `launcher cleanup` have it"),
        (
            "status --dry-run",
            "`launcher init`, `launcher data`, `launcher build` and 9 more have it",
        ),
        ("--kind async deploy", "it comes after the command, as in `launcher deploy -"),
        ("local down --iam", "`launcher local up` has it"),
        # Another setting.
        ("deploy --subnets x", "it is a setting: --set network.subnets=VALUE"),
        # An own option, spelled otherwise.
        ("train --regoin x", "did you mean --region? `launcher train --help` lists"),
        ("cleanup --yess", "did you mean --yes?"),
        ("deploy --instance x", "did you mean --instance-type or --instance-count?"),
        ("local up --prot 3", "did you mean --port?"),
        # Nothing that anybody can guess.
        (
            "train --bogus",
            "No such option: --bogus; `launcher train --help` lists arguments and",
        ),
    ],
)
def test_an_unknown_option_is_answered_with_what_was_meant(
    launcher: Launcher, typed: str, said: str
) -> None:
    result = launcher(*typed.split())
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("trian", "No such command 'trian'; did you mean `launcher train`?"),
        ("up", "did you mean `launcher local up`?"),
        ("local train", "did you mean `launcher train`?"),
        ("interupt", "did you mean `launcher local interrupt`?"),
        ("bogus", "No such command 'bogus'; `launcher --help` lists commands and"),
    ],
)
def test_an_unknown_command_is_answered_with_what_was_meant(
    launcher: Launcher, typed: str, said: str
) -> None:
    result = launcher(*typed.split())
    assert (result.code, result.out) == (2, "")
    assert said in result.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("config -o jsn", "'jsn' is none of 'text', 'json'"),
        ("tune --max-jobs few", "'--max-jobs': expected a whole number"),
        ("tune --max-jobs 0", "'--max-jobs': expected at least 1"),
        ("train --poll-seconds 0", "'--poll-seconds': expected at least 0.05"),
        ("train --poll-seconds soon", "'--poll-seconds': expected a number"),
        ("stop", "Missing argument: NAME; `launcher stop --help` lists"),
        ("stop a b c", "Unexpected arguments: b c"),
        ("deploy --kind asyn", "command line: hosting.kind is 'asyn', expected one of"),
    ],
)
def test_a_wrong_value_is_answered_in_plain_words(
    launcher: Launcher, typed: str, said: str
) -> None:
    result = launcher(*typed.split())
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_a_group_without_a_command_prints_its_help(launcher: Launcher) -> None:
    result = launcher("local")
    assert (result.code, result.err) == (0, "")
    assert "interrupt" in result.out
