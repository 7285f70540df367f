"""Predictions to bytes.

Numbers have full precision: each is written in the shortest form that reads back as the
number computed. No answer ends in a newline, because batch transform puts one behind
each answer that it joins. A very long answer is made in blocks of rows. Its beginning
is sent while its end is computed, and it is never held as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import orjson

from movielens.predictions import Predictions
from serve.predicted_rows import PredictedRows
from serve.question_answers import QuestionAnswer
from serve.rows import Shape


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """What a client may choose about an answer beside its format.

    Attributes:
        is_verbose: whether CSV has all columns.
        has_header: whether CSV begins with the names of its columns.
        n_recommended: how many movies each row recommends, if the content type asked
            for recommendations; else 0.
    """

    is_verbose: bool = False
    has_header: bool = False
    n_recommended: int = 0


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
        others: Mapping[int, str | QuestionAnswer] | None = None,
    ) -> bytes:
        """The whole answer.

        Args:
            predicted: the rows with one prediction each.
            shape: the shape of the request.
            style: what the client chose.
            others: by place, the rows that aren't in ``predicted``: a message, or the
                answer to a question.
        """
        items = self.rows(predicted, style)
        if others:
            items = self._merge(items, others, style)
        frame = self.frame(predicted, shape, style)
        text = frame.before + frame.between.join(items) + frame.after
        return text.removesuffix(b"\n")

    def stream(
        self,
        blocks: Iterable[PredictedRows],
        shape: Shape = Shape.LIST,
        style: AnswerStyle = AnswerStyle(),
    ) -> Iterator[bytes]:
        """The same answer in parts, a part for each block of rows."""
        frame: Frame | None = None
        for block in blocks:
            items = self.rows(block, style)
            if frame is None:
                frame = self.frame(block, shape, style)
                before = frame.before
            else:
                before = frame.between
            yield before + frame.between.join(items)
        if frame is not None:
            yield frame.after

    def _merge(
        self,
        items: list[bytes],
        others: Mapping[int, str | QuestionAnswer],
        style: AnswerStyle,
    ) -> list[bytes]:
        """All items by place."""
        predicted = iter(items)
        merged = []
        for place in range(len(items) + len(others)):
            match others.get(place):
                case None:
                    merged.append(next(predicted))
                case str() as message:
                    merged.append(self.fault(message))
                case QuestionAnswer() as found:
                    merged.append(self.answer(found, style))
        return merged


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
