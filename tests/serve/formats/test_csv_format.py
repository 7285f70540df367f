from __future__ import annotations

import csv
from typing import Any

import numpy as np

from movielens.model import Model
from serve.formats.csv_format import CSV
from serve.formats.renderer import AnswerStyle
from serve.predicted_rows import PredictedRows
from serve.rows import Shape


def lines_of(predicted: PredictedRows, **style: Any) -> list[str]:
    text = CSV.renderer.whole(predicted, Shape.LIST, AnswerStyle(**style))
    return text.decode().split("\n")


def test_a_line_is_the_rating_in_stars(predicted: PredictedRows) -> None:
    expected = [str(stars) for stars in predicted.predicted.rating]
    assert lines_of(predicted) == expected
    assert lines_of(predicted, has_header=True) == ["rating", *expected]


def test_verbose_lines_say_exactly_what_was_computed(
    predicted: PredictedRows, model: Model
) -> None:
    header, *lines = lines_of(predicted, is_verbose=True, has_header=True)
    names = [f"probability_{stars}" for stars in model.class_values]
    assert header.split(",") == ["rating", "expected_rating", *names]
    table = [line.split(",") for line in lines]
    probabilities = np.array([row[2:] for row in table], dtype=np.float32)
    np.testing.assert_array_equal(probabilities, predicted.predicted.probabilities)
    means = [float(row[1]) for row in table]
    assert means == predicted.predicted.expected_rating.tolist()
    ratings = [float(row[0]) for row in table]
    assert ratings == predicted.predicted.rating.tolist()


def test_a_fault_is_one_field_whatever_it_says() -> None:
    message = 'line 1: the row is \'"a",b\', expected "c"'
    line = CSV.renderer.fault(message).decode()
    assert list(csv.reader([line])) == [[f"error: {message}"]]
