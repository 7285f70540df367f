"""The table of hyperparameters has them all; ``tests/tools`` compares the docs."""

from __future__ import annotations

import pytest

from train.hyperparameter_table import END, table, with_table
from train.hyperparameters import Hyperparameters

BEGIN = "<!-- a table -->"


def test_the_table_has_a_line_for_each_hyperparameter() -> None:
    lines = table().splitlines()[2:]
    named = [line.split("`")[1] for line in lines]
    assert named == list(Hyperparameters().to_json())
    assert all(line.count(" | ") == 3 for line in lines)


def test_a_table_replaces_the_one_before_and_nothing_else() -> None:
    before = f"Above\n{BEGIN}\nold\n{END}\nbelow\n"
    after = with_table(before, "new", BEGIN)
    assert after == f"Above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    assert with_table(after, "new", BEGIN) == after


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END} {BEGIN}"])
def test_docs_without_a_place_for_the_table_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        with_table(text, "new", BEGIN)
