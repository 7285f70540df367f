from __future__ import annotations

from launcher.tables import resource_table, text_table
from launcher.world.inventory import Resource


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    table = text_table(("what", "share"), [("a", "9.5 %"), ("longer", "10.5 %")])
    assert table.splitlines() == [
        "what     share",
        "a        9.5 %",
        "longer  10.5 %",
    ]


def test_a_missing_cell_is_empty_and_lines_have_no_blanks_at_the_end() -> None:
    assert text_table(("a", "b"), [("x", None)]) == "a  b\nx"


def test_a_table_without_rows_is_its_header() -> None:
    assert text_table(("a", "b"), []) == "a  b"


def test_a_resource_has_a_line() -> None:
    job = Resource("training job", "stars-1", "Completed", "2026-01-01T00:00:00")
    header, line = resource_table([job]).splitlines()
    assert header.split() == ["kind", "name", "state", "created"]
    assert line == "training job  stars-1  Completed  2026-01-01T00:00:00"
