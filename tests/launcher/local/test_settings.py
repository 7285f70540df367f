"""What is kept of a stack, and what programs need to reach it."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from launcher.local.errors import LocalError
from launcher.local.settings import FILE, StackSettings, no_proxy
from launcher.ports import LOOPBACK


def test_saved_settings_are_loaded_as_they_were(stack_settings: StackSettings) -> None:
    stack_settings.save()
    assert StackSettings.load(stack_settings.directory) == stack_settings


def test_only_the_owner_may_read_the_secrets(stack_settings: StackSettings) -> None:
    stack_settings.save()
    mode = (stack_settings.directory / FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_directory_without_a_stack_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"nothing is up in .*: run `launcher local"):
        StackSettings.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 200_000, "\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LocalError, match=rf"{FILE} is damaged"):
        StackSettings.load(tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"NO_PROXY": ""},
        {"NO_PROXY": "intra.net, 10.0.0.1"},
        {"no_proxy": "intra.net"},
        {"NO_PROXY": "*"},
        {"NO_PROXY": "intra.net", "no_proxy": "*"},
    ],
)
def test_loopback_is_reached_past_a_proxy(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = no_proxy(given)
    for variable, value in exported.items():
        for name in exported:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, value)
        for host in (f"{LOOPBACK}:5000", "localhost:5000"):
            assert proxy_bypass(host)


def test_what_is_set_stays_in_force() -> None:
    given = {"NO_PROXY": "intra.net, 10.0.0.1", "no_proxy": "intra.net,.corp"}
    value = "intra.net,.corp,10.0.0.1,127.0.0.1,localhost"
    hosts = set(value.split(","))
    for variable in ("NO_PROXY", "no_proxy"):
        assert set(no_proxy(given)[variable].split(",")) == hosts


def test_exporting_again_changes_nothing() -> None:
    once = no_proxy({"no_proxy": "intra.net"})
    assert no_proxy(once) == once


def test_a_star_stays_alone() -> None:
    assert no_proxy({"NO_PROXY": "*"})["no_proxy"] == "*"
