from __future__ import annotations

import pytest

from launcher.tables import resource_table, text_table, three_digits
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
    assert line == "training job  stars-1  Completed  2026-01-01 00:00"


def test_the_last_column_is_wrapped_within_a_width() -> None:
    words = "one two three four five six seven"
    table = text_table(("what", "found"), [("image", words)], width=30)
    assert table.splitlines() == [
        "what   found",
        "image  one two three four five",
        "       six seven",
    ]


def test_a_package_is_named_without_the_beginning_of_its_arn() -> None:
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/stars/1"
    table = resource_table([Resource("model package", arn, "Completed")])
    assert table.splitlines()[1] == "model package  stars/1  Completed"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.07234567890123456", "0.0723"),
        (0.9876543, "0.988"),
        ("120", "120"),
        (7, "7"),
        ("gbtree", "gbtree"),
        ("", ""),
    ],
)
def test_numbers_have_three_digits(value: object, shown: str) -> None:
    assert three_digits(value) == shown


def test_times_are_left_out_where_they_do_not_fit() -> None:
    job = Resource("training job", "stars-1", "Completed", "2026-01-01T00:00:00")
    assert "created" in resource_table([job], width=80)
    assert "created" not in resource_table([job], width=40)
