"""Rows are checked before the first of them is answered.

A status of 200 can't be taken back. So if a bad row fails a request, all rows are read
once before the answer begins. What is wrong is found in this order:

1. the body isn't rows,
2. a bad row,
3. a bad option in the body,
4. a row with an unknown id, if the client wants that refused,
5. too many questions, or questions where there can be none,
6. a question that can't be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from movielens.errors import RequestError
from serve.question_answers import QuestionAnswerer
from serve.questions import MARKS
from serve.rows import ParsedRequest, Rows, at_row
from serve.unknown_ids import first_unknown

_ANY_MARK = ", ".join(MARKS[:-1]) + f" or {MARKS[-1]}"

# Makes the rows of a body, block by block, each time that it is called.
Blocks = Callable[[], Iterable[Rows]]


@dataclass(slots=True)
class RowCheck:
    """Reads all rows, and keeps what is wrong as text.

    An exception would keep the body in memory, by its traceback.

    Attributes:
        answerer: knows which questions can be answered.
        most_questions: more are too many.
        n_questions: how many there are.
        n_rows: how many rows there are.
        bad_row: the first bad row.
        unknown: the first row with an unknown id, if such rows are refused.
        bad_question: the first question that can't be answered.
    """

    answerer: QuestionAnswerer
    most_questions: int
    n_questions: int = 0
    n_rows: int = 0
    bad_row: str | None = None
    unknown: str | None = None
    bad_question: str | None = None

    def read(self, parsed: ParsedRequest, keep: bool) -> Blocks:
        """Read all rows.

        Args:
            parsed: the body.
            keep: whether the rows are kept. Otherwise the body is read again.

        Raises:
            RequestError: if the body isn't rows.
        """
        kept = []
        for raw in parsed.cut():
            if self.bad_row is not None:
                continue  # the rest may still be no rows at all
            try:
                rows = parsed.read(raw)
            except RequestError as error:
                self.bad_row = str(error)
                continue
            self._look_at(rows)
            if keep:
                kept.append(rows)
        return (lambda: kept) if keep else parsed.blocks

    def _look_at(self, rows: Rows) -> None:
        if self.answerer.refuse_unknown and self.unknown is None:
            self.unknown = first_unknown(self.answerer.model, rows, self.n_rows)
        self.n_questions += len(rows.questions)
        if self.n_questions <= self.most_questions and self.bad_question is None:
            self._look_at_questions(rows)
        self.n_rows += rows.n_rows

    def _look_at_questions(self, rows: Rows) -> None:
        for place, question in rows.questions.items():
            try:
                self.answerer.check(question)
            except RequestError as error:
                self.bad_question = at_row(self.n_rows + place, str(error))
                return

    def raise_first(self, bad_option: str | None, has_header: bool) -> None:
        """Raise what is wrong.

        Args:
            bad_option: what is wrong with the options in the body.
            has_header: whether the answer has one, which no question can have.

        Raises:
            RequestError: if anything is.
        """
        for found in (self.bad_row, bad_option, self.unknown):
            if found is not None:
                raise RequestError(found)
        if self.n_questions > self.most_questions:
            raise RequestError(
                f"{self.n_questions} rows with {_ANY_MARK} are too many, "
                f"send up to {self.most_questions}"
            )
        if self.n_questions and has_header:
            raise no_header()
        if self.bad_question is not None:
            raise RequestError(self.bad_question)


def no_header() -> RequestError:
    """What is wrong with a header above the answers to questions."""
    return RequestError(
        f"rows with {_ANY_MARK} have no header in common, leave out header=present"
    )
