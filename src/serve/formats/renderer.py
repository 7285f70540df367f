"""Predictions to bytes.

Numbers have full precision: each is written in the shortest form that reads back as the
number computed. No answer ends in a newline, because batch transform puts one behind
each answer that it joins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import orjson

from movielens.predictions import Predictions
from serve.predicted_rows import PredictedRows
from serve.question_answers import QuestionAnswer
from serve.questions import Wanted
from serve.rows import Shape


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """What a client may choose about an answer beside its format.

    Attributes:
        is_verbose: whether CSV has all columns.
        has_header: whether CSV begins with the names of its columns.
        wanted: the movies that the content type asked for, if it did.
    """

    is_verbose: bool = False
    has_header: bool = False
    wanted: Wanted | None = None


class Frame(NamedTuple):
    """What is written before, between and after the items of an answer."""

    before: bytes
    between: bytes
    after: bytes


LINES = Frame(b"", b"\n", b"")
"""One item a line."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Writes the answers of one format; an answer is a frame around an item a row.

    Attributes:
        rows: writes predicted rows, an item each.
        answer: writes the answer to a question as an item.
        fault: writes a message as the item of a row that can't be answered.
        frame: the frame of an answer with these rows to a request of that shape.
    """

    rows: Callable[[PredictedRows, AnswerStyle], list[bytes]]
    answer: Callable[[QuestionAnswer, AnswerStyle], bytes]
    fault: Callable[[str], bytes]
    frame: Callable[[PredictedRows, Shape, AnswerStyle], Frame]

    def whole(
        self,
        predicted: PredictedRows,
        shape: Shape = Shape.LIST,
        style: AnswerStyle = AnswerStyle(),
    ) -> bytes:
        """The whole answer for some predicted rows."""
        frame = self.frame(predicted, shape, style)
        text = frame.before + frame.between.join(self.rows(predicted, style))
        return (text + frame.after).removesuffix(b"\n")


@lru_cache(maxsize=64)
def class_names(class_values: tuple[float, ...]) -> tuple[str, ...]:
    """Stars as answers write them.

    Example:
        >>> class_names((0.5, 1.0))
        ('0.5', '1.0')
    """
    return tuple(map(repr, class_values))


def probabilities_as_json(predicted: Predictions) -> bytes:
    """The probabilities as a JSON list of lists.

    orjson writes a float32 in the shortest form that reads back as the same float32.
    """
    return orjson.dumps(predicted.probabilities, option=orjson.OPT_SERIALIZE_NUMPY)
