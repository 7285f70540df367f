from __future__ import annotations

import pytest

from movielens.model import Model
from movielens.queries import RatingQueries
from serve.formats.csv_format import CSV
from serve.formats.format import Format
from serve.formats.json_format import JSON
from serve.formats.json_lines_format import JSON_LINES
from serve.formats.registry import FORMATS
from serve.formats.renderer import AnswerStyle
from serve.predicted_rows import PredictedRows, predict_rows
from serve.rows import Shape

VERBOSE = AnswerStyle(is_verbose=True)


@pytest.mark.parametrize("style", [AnswerStyle(), VERBOSE])
@pytest.mark.parametrize(
    ("each", "expected"), [(CSV, b""), (JSON_LINES, b""), (JSON, b"[]")]
)
def test_no_rows_have_an_empty_answer(
    model: Model, each: Format, expected: bytes, style: AnswerStyle
) -> None:
    nothing = predict_rows(model, RatingQueries.none())
    assert each.renderer.whole(nothing, Shape.LIST, style) == expected


@pytest.mark.parametrize("each", FORMATS.formats)
def test_no_answer_ends_in_a_newline(predicted: PredictedRows, each: Format) -> None:
    text = each.renderer.whole(predicted, Shape.LIST, VERBOSE)
    assert not text.endswith(b"\n")
