from __future__ import annotations

import numpy as np
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


@pytest.mark.parametrize("each", FORMATS.formats)
@pytest.mark.parametrize("style", [AnswerStyle(), AnswerStyle(True, True)])
def test_a_streamed_answer_is_the_whole_answer_in_parts(
    predicted: PredictedRows, each: Format, style: AnswerStyle
) -> None:
    n_rows = len(predicted.queries)
    blocks = [predicted.take(rows) for rows in np.array_split(np.arange(n_rows), 3)]
    parts = list(each.renderer.stream(blocks, Shape.LIST, style))
    assert len(parts) == len(blocks) + 1
    assert b"".join(parts) == each.renderer.whole(predicted, Shape.LIST, style)


def test_faults_stand_between_the_predictions(predicted: PredictedRows) -> None:
    two_rows = predicted.take(np.array([0, 1]))
    first, second = CSV.renderer.rows(two_rows, AnswerStyle())
    faults = {0: "not a row", 2: "not one either"}
    lines = CSV.renderer.whole(two_rows, others=faults).split(b"\n")
    assert lines == [
        b'"error: not a row"',
        first,
        b'"error: not one either"',
        second,
    ]
