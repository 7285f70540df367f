"""The failure file: written whatever the reason, without what can't be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.failure import printable, write_failure


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
