"""The table in the docs is the one that the declarations make."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.hyperparameter_table import BEGIN, END, table, with_table
from train.hyperparameters import Hyperparameters

DOCS = Path(__file__).parent.parent.parent / "docs" / "training.md"


def test_the_docs_have_the_table_of_the_code() -> None:
    text = DOCS.read_text()
    assert text == with_table(text, table()), (
        "the table in docs/training.md is out of date: run `make specification`"
    )


def test_the_table_has_a_line_for_each_hyperparameter() -> None:
    lines = table().splitlines()[2:]
    named = [line.split("`")[1] for line in lines]
    assert named == list(Hyperparameters().to_json())
    assert all(line.count(" | ") == 3 for line in lines)


def test_a_table_replaces_the_one_before_and_nothing_else() -> None:
    before = f"Above\n{BEGIN}\nold\n{END}\nbelow\n"
    after = with_table(before, "new")
    assert after == f"Above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    assert with_table(after, "new") == after


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END} {BEGIN}"])
def test_docs_without_a_place_for_the_table_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        with_table(text, "new")
