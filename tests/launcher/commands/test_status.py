"""``status``, and how ``logs`` and ``stop`` find what they are about."""

from __future__ import annotations

import pytest

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import Launcher


def test_an_empty_account_has_no_jobs_and_no_endpoints(launcher: Launcher) -> None:
    assert launcher("status").out.strip() == "no jobs, no endpoints"
    assert launcher("status", "--json").json == []


@pytest.mark.parametrize("command", ["logs", "stop", "status"])
def test_an_unknown_name_is_said_to_be_unknown(
    launcher: Launcher, command: str
) -> None:
    result = launcher(command, "nobody")
    assert result.code == 1
    assert result.err == (
        "launcher: none of our jobs and endpoints is named nobody: "
        "`launcher status` lists them\n"
    )


def test_jobs_and_endpoints_are_listed(launcher: Launcher, trained: str) -> None:
    assert launcher(*IMAGE_AND_ROLE, "deploy").code == 0
    listed = launcher("status", "--json").json
    found = [(each["kind"], each["name"], each["state"]) for each in listed]
    assert found == [
        ("training job", trained, "Completed"),
        ("endpoint", "halfstar", "InService"),
    ]
    assert launcher("status", trained, "--json").json == listed[:1]
