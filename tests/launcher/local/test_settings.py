"""What is kept of a stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from launcher.local.errors import LocalError
from launcher.local.settings import FILE, StackSettings


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
