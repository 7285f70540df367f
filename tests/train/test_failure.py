"""The failure file: written whatever the reason, without what can't be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.failure import explain_failure, printable, write_failure


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rating is 4\x00", r"rating is 4\x00"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb\x85c", r"a\rb\x85c"),
        ("half \ud800 of a pair", r"half \ud800 of a pair"),
        ("\u202eturned", r"\u202eturned"),
        ("Amélie …\n\tline 3", "Amélie …\n\tline 3"),
    ],
)
def test_what_cannot_be_shown_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_printable(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    shown.encode()
    assert printable(shown) == shown


def test_the_reason_is_written_in_utf_8(tmp_path: Path) -> None:
    write_failure(tmp_path / "failure", "Amélie\x00 \udcff")
    assert (tmp_path / "failure").read_bytes() == rb"Am\xe9lie\x00 \udcff".replace(
        rb"\xe9", "é".encode()
    )


def test_a_file_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    write_failure(tmp_path / "absent" / "failure", "anything")


def test_a_failure_of_the_toolkit_begins_with_its_cause(tmp_path: Path) -> None:
    path = tmp_path / "failure"
    path.write_text("Framework Error: \nTraceback (most recent call last):\n  …\nbad\n")
    explain_failure(path)
    text = path.read_text()
    cause = "the training toolkit can't use the files in input/config: bad\n\n"
    assert text.startswith(cause + "Framework Error: \nTraceback")


def test_a_failure_without_a_reason_gets_one(tmp_path: Path) -> None:
    for before in (None, "", "\n"):
        path = tmp_path / "failure"
        if before is not None:
            path.write_text(before)
        explain_failure(path)
        assert path.read_text() == "the job ended without a reason: see its log"


def test_a_reason_of_our_own_stays(tmp_path: Path) -> None:
    write_failure(tmp_path / "failure", "no disk")
    explain_failure(tmp_path / "failure")
    assert (tmp_path / "failure").read_text() == "no disk"
