"""The command line as a user meets it: help, usage, errors and exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from launcher.cli import app
from launcher.ports import LOOPBACK, free_port
from tests.launcher.conftest import Launcher

COMMANDS = [
    command.callback.__name__ for command in app.registered_commands if command.callback
]
CHANGE_NOTHING = {
    "compare",
    "config",
    "doctor",
    "logs",
    "onboarding",
    "play",
    "policy",
    "predict",
    "recommend",
    "report",
    "status",
}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from launcher.__main__ import main; "
        "main(['--help']); print(sorted(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = shown.stdout.splitlines()[-1]
    for heavy in ("boto3", "botocore", "sagemaker", "pyarrow", "numpy", "moto", "rich"):
        assert f"'{heavy}'" not in modules


def test_the_list_of_commands_has_whole_sentences(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, _, commands = launcher("--help").out.partition("Commands:")
    assert all(line.endswith((".", "`.")) for line in commands.strip().splitlines())
    assert "..." not in commands


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_and_a_dry_run_if_it_changes_something(
    launcher: Launcher, command: str
) -> None:
    result = launcher(command, "--help")
    assert result.code == 0
    assert "--json" in result.out
    assert ("--dry-run" in result.out) == (command not in CHANGE_NOTHING)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_in_the_module_of_its_name(command: str) -> None:
    modules = {
        each.callback.__module__
        for each in app.registered_commands
        if each.callback and each.callback.__name__ == command
    }
    assert modules == {f"launcher.commands.{command}"}


def test_without_a_command_there_is_help(launcher: Launcher) -> None:
    assert "cleanup" in launcher().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bogus",), "No such command 'bogus'"),
        (("train", "--bogus"), "No such option: --bogus"),
        (("--set", "name", "config"), "--set 'name': expected NAME=VALUE"),
        (("--set", "nmae=x", "config"), "nmae is unknown, did you mean name?"),
        (("train", "-p", "eta"), "-p 'eta': expected NAME=VALUE"),
        (("predict",), "give either pairs of ids"),
        (("compare", "job", "job"), "give at least two training jobs"),
        (("onboarding", "356"), "'356' is no rating, expected movieId:stars"),
        (("recommend", "one"), "Invalid value for 'USER'"),
        (("recommend", "1", "--count", "0"), "Invalid value for '-n' / '--count'"),
        (("predict", "1-318"), "'1-318' is no pair of ids, expected userId:movieId"),
        (
            ("deploy", "--kind", "realtime"),
            "hosting.kind is 'realtime', expected one of",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    launcher: Launcher, arguments: tuple[str, ...], message: str
) -> None:
    result = launcher(*arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_missing_region_is_said(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    result = launcher("status")
    assert result.code == 2
    assert result.err == (
        "launcher: no region: set `region` in halfstar.toml, AWS_REGION, or --region\n"
    )


def test_missing_credentials_are_said(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = launcher("init")
    assert result.code == 1
    said = "sts GetCallerIdentity: Unable to locate credentials; run `aws configure`"
    assert said in result.err


def test_an_unknown_profile_is_said(launcher: Launcher) -> None:
    result = launcher("--profile", "nobody", "status")
    assert result.code == 2
    assert "The config profile (nobody) could not be found" in result.err


def test_an_address_where_nobody_answers_is_said(launcher: Launcher) -> None:
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    result = launcher("--endpoint-url", nowhere, "status")
    assert result.code == 1
    assert "check the network, the region and AWS_ENDPOINT_URL" in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_password_in_an_address_is_never_shown(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:secret@{nowhere}")
    monkeypatch.setenv("HALFSTAR_REGISTRY", f"user:secret@{nowhere}")
    for arguments in (
        ("config",),
        ("config", "--json"),
        ("status",),
        ("--debug", "status"),
        ("doctor",),
        ("doctor", "--json"),
    ):
        result = launcher(*arguments)
        assert nowhere in result.out + result.err
        assert "secret" not in result.out + result.err

    monkeypatch.setenv("AWS_ENDPOINT_URL", f"user:secret@{nowhere}")
    result = launcher("config")
    assert result.code == 2
    assert nowhere in result.err
    assert "secret" not in result.err


def test_a_password_of_a_proxy_is_never_shown(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://sagemaker.example")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@{nowhere}")
    result = launcher("--debug", "status")
    assert result.code == 1
    assert nowhere in result.err
    assert "secret" not in result.err


def test_variables_of_containers_are_sent_and_not_shown(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFSTAR_ENVIRONMENT_HALFSTAR_SIGNING_KEY", "secret" * 5)
    for arguments in (("config",), ("config", "--json")):
        result = launcher("--set", "environment.HALFSTAR_WORKERS=2", *arguments)
        assert "environment.HALFSTAR_SIGNING_KEY" in result.out
        assert "environment.HALFSTAR_WORKERS" in result.out
        assert "secret" not in result.out


def test_a_file_that_cannot_be_written_is_no_bug(launcher: Launcher) -> None:
    missing = launcher.folder / "none" / "halfstar.toml"
    result = launcher("--config", str(missing), "init")
    assert result.code == 1
    last_line = result.err.splitlines()[-1]
    assert last_line == f"launcher: {missing}: No such file or directory"


def test_debug_shows_the_trace(launcher: Launcher) -> None:
    assert "Traceback" not in launcher("predict", "x").err
    assert "Traceback" in launcher("--debug", "predict", "x").err


def test_output_can_be_cut_short_by_a_pipe() -> None:
    command = f"{sys.executable} -m launcher config | head -1"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("setting")
    assert "Traceback" not in result.stderr


def test_completion_can_be_shown() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "launcher", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        check=True,
    )
    assert "complete -o default -F _launcher_completion launcher" in shown.stdout


def test_ctrl_c_says_what_was_being_done(tmp_path: Path, data_dir: Path) -> None:
    # A server that takes connections and never answers.
    with socket.create_server((LOOPBACK, 0)) as silent:
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{silent.getsockname()[1]}",
            "HALFSTAR_DATA": str(data_dir),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "launcher", "data"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("check ")
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                said = process.stderr.read()
            assert process.wait(30) == 130
    assert said.startswith("launcher: interrupted while: check ")
    assert said.strip().endswith("run the same command again to go on")


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command != "init"]
)
def test_a_configuration_file_that_does_not_exist_is_wrong_input(
    launcher: Launcher, command: str
) -> None:
    arguments = {
        "compare": ("name", "other"),
        "predict": ("1:318",),
        "recommend": ("1",),
        "transform": ("rows.csv",),
        "logs": ("name",),
        "stop": ("name",),
    }
    (launcher.folder / "rows.csv").write_text("1,318\n")
    given = ("--config", "prod.tmol", command, *arguments.get(command, ()))
    result = launcher(*given)
    assert (result.code, result.out) == (2, "")
    assert "prod.tmol doesn't exist: check --config" in result.err


def test_init_writes_the_configuration_file_that_does_not_exist(
    launcher: Launcher,
) -> None:
    assert launcher("--config", "prod.toml", "init").code == 0
    assert launcher("--config", "prod.toml", "status").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_every_command_are_in_its_help(
    launcher: Launcher, command: str
) -> None:
    shown = launcher(command, "--help").out
    for option in ("--config", "--set", "--region", "--profile", "--debug"):
        assert option in shown


def test_the_options_of_every_command_may_stand_after_it(launcher: Launcher) -> None:
    options = ("--region", "eu-west-1", "--set", "name=mine", "-o", "json")
    shown = launcher("config", *options).json
    assert shown["region"]["value"] == "eu-west-1"
    assert shown["name"]["value"] == "mine"
    shown = launcher("--set", "tags.x=1", "config", "--set", "name=b", "--json").json
    assert (shown["tags.x"]["value"], shown["name"]["value"]) == ("1", "b")


def test_the_version_is_printed(launcher: Launcher) -> None:
    assert launcher("--version").out == f"launcher {version('halfstar')}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("trian",), "train"),
        (("train", "--regoin", "x"), "--region"),
        (("cleanup", "--yess"), "--yes"),
    ],
)
def test_what_is_mistyped_is_answered_with_what_was_meant(
    launcher: Launcher, typed: tuple[str, ...], meant: str
) -> None:
    result = launcher(*typed)
    assert result.code == 2
    assert meant in result.err


def test_keys_of_kms_are_shown_and_secrets_of_containers_are_not(
    launcher: Launcher,
) -> None:
    settings = ("--set", "keys.bucket=alias/stars", "--set", "environment.A_KEY=00ff")
    shown = launcher("config", *settings, "--json").json
    assert shown["keys.bucket"]["value"] == "alias/stars"
    assert shown["environment.A_KEY"]["value"] == "***"
