"""Rows to the bytes of an answer, part by part.

The answer to a long body may be hundreds of times as long as the body. So rows are read
some at a time, and their answers are computed, written and sent before the next are
read. No part is much longer than `PART_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from movielens.errors import RequestError
from serve.contributions import contributions
from serve.formats.renderer import Frame
from serve.negotiation import Negotiated
from serve.predicted_rows import PredictedRows, predict_rows
from serve.question_answers import QuestionAnswerer
from serve.questions import Question
from serve.rows import Rows, Shape, at_row
from serve.served_model import ServedModel

if TYPE_CHECKING:
    from serve.operations.tally import Tally

# A part is sent when it has this length, and after each block of rows.
PART_BYTES = 2**22

# So many rows are written at a time.
_WRITTEN_ROWS = 1024
# Contributions take up to 30 KB a row.
_EXPLAINED_ROWS = 128


class Part(NamedTuple):
    """A part of an answer."""

    text: bytes
    is_last: bool


class PlacedRows(NamedTuple):
    """Rows to answer, and how many rows come before them."""

    n_before: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class AnswerWriter:
    """Writes the answer to one request.

    Attributes:
        served: the model.
        negotiated: what the client asked for.
        answerer: answers questions.
        shape: of the request.
        tally: counts the rows, if it isn't None.
    """

    served: ServedModel
    negotiated: Negotiated
    answerer: QuestionAnswerer
    shape: Shape
    tally: Tally | None = None

    def parts(self, blocks: Iterator[PlacedRows]) -> Iterator[Part]:
        """The answer, a part or more for each block; there is at least one part."""
        block = next(blocks, _NO_ROWS)
        predicted = self._predict(block.rows)
        style = self.negotiated.style
        frame = self.negotiated.renderer.frame(predicted, self.shape, style)
        text = _Text(frame)
        is_last = False
        while not is_last:
            following = next(blocks, None)
            is_last = following is None
            for items in self._items(block, predicted):
                if text.length >= PART_BYTES:
                    yield Part(text.take(), is_last=False)
                text.add(items)
            if following is not None:
                yield Part(text.take(), is_last=False)
                block = following
                predicted = self._predict(block.rows)
        last = text.take() + frame.after
        yield Part(last.removesuffix(b"\n"), is_last=True)

    def _predict(self, rows: Rows) -> PredictedRows:
        predicted = predict_rows(self.served.model, rows.queries)
        if self.tally is not None:
            self.tally.count_predicted(len(rows.queries), predicted.unknown)
            self.tally.bad_rows += len(rows.faults)
        return predicted

    def _items(
        self, block: PlacedRows, predicted: PredictedRows
    ) -> Iterator[list[bytes]]:
        """An item a row, some at a time."""
        of_queries = self._written(predicted)
        rows = block.rows
        if rows.are_plain:
            yield from of_queries
            return
        if len(rows.faults) == rows.n_rows:
            yield from self._faults(rows)
            return
        items: list[bytes] = []
        length = 0
        for item in self._by_place(block, chain.from_iterable(of_queries)):
            items.append(item)
            length += len(item)
            if len(items) == _WRITTEN_ROWS or length >= PART_BYTES:
                yield items
                items = []
                length = 0
        yield items

    def _faults(self, rows: Rows) -> Iterator[list[bytes]]:
        """What is wrong with rows that are all bad, some at a time."""
        write = self.negotiated.renderer.fault
        for some in rows.split(_WRITTEN_ROWS):
            yield [write(some.faults[place]) for place in range(some.n_rows)]

    def _by_place(
        self, block: PlacedRows, of_queries: Iterator[bytes]
    ) -> Iterator[bytes]:
        n_before, rows = block
        write_fault = self.negotiated.renderer.fault
        for place in range(rows.n_rows):
            message = rows.faults.get(place)
            question = rows.questions.get(place)
            if message is not None:
                yield write_fault(message)
            elif question is not None:
                yield self._answer(n_before + place, question)
            else:
                yield next(of_queries)

    def _answer(self, place: int, question: Question) -> bytes:
        """The answer to a question, or what is wrong with it."""
        renderer = self.negotiated.renderer
        try:
            found = self.answerer.answer(question)
        except RequestError as error:
            if self.tally is not None:
                self.tally.bad_rows += 1
            return renderer.fault(at_row(place, str(error)))
        if self.tally is not None:
            knows_movie = bool((found.rows.movie_index >= 0).all())
            self.tally.count_question(found.knows_user, knows_movie)
        explained = self._explained(found.rows)
        return renderer.answer(replace(found, rows=explained), self.negotiated.style)

    def _written(self, predicted: PredictedRows) -> Iterator[list[bytes]]:
        """Predicted rows as items, some at a time."""
        most = _WRITTEN_ROWS
        if self.negotiated.options.contributions:
            most = _EXPLAINED_ROWS
        write = self.negotiated.renderer.rows
        n_rows = len(predicted.queries)
        if n_rows <= most:
            yield write(self._explained(predicted), self.negotiated.style)
            return
        for start in range(0, n_rows, most):
            rows = np.arange(start, min(start + most, n_rows))
            some = self._explained(predicted.take(rows))
            yield write(some, self.negotiated.style)

    def _explained(self, rows: PredictedRows) -> PredictedRows:
        """The rows with contributions, if the client asked for them."""
        count = self.negotiated.options.contributions
        if count == 0 or len(rows.queries) == 0:
            return rows
        booster, regression = self.served.xgboost()
        features = rows.model.spec.transform(rows.queries)
        class_values = rows.predicted.class_values
        found = contributions(booster, regression, features, class_values, count)
        return rows._replace(contributions=found)


class _Text:
    """Collects the text of an answer.

    Attributes:
        length: of what isn't taken yet.
    """

    def __init__(self, frame: Frame) -> None:
        self._between = frame.between
        self._joint = b""
        self._texts = [frame.before]
        self.length = 0

    def add(self, items: list[bytes]) -> None:
        """Write some items behind the others."""
        if items:
            text = self._between.join(items)
            self._texts += (self._joint, text)
            self._joint = self._between
            self.length += len(text)

    def take(self) -> bytes:
        """What wasn't taken yet."""
        text = b"".join(self._texts)
        self._texts = []
        self.length = 0
        return text


_NO_ROWS = PlacedRows(0, Rows.gather([]))
