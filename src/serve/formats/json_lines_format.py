"""application/jsonlines: one JSON object a line.

Blank lines are skipped. In a batch, each but the last ones is answered in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from movielens.errors import RequestError
from serve.formats.format import BodyParser, Format, RecordBlock, Records
from serve.formats.json_records import (
    read_record,
    render_answer,
    render_fault,
    render_rows,
)
from serve.formats.json_text import load_json
from serve.formats.lines import check_line, first_line, line_blocks
from serve.formats.renderer import LINES, AnswerStyle, Frame, Renderer
from serve.predicted_rows import PredictedRows
from serve.questions import Question
from serve.rows import EMPTY, Row, Shape, first_character


def cut_lines(body: bytes) -> Records:
    """The lines of a body that aren't blank.

    Raises:
        RequestError: if there are none.
    """
    _check_not_empty(body)
    return Records(partial(_cut, body, skips_blanks=True))


def cut_batch(body: bytes) -> Records:
    """The lines of a body, up to the last that isn't blank.

    Raises:
        RequestError: if there are none.
    """
    _check_not_empty(body)
    return Records(partial(_cut, body, skips_blanks=False))


def _check_not_empty(body: bytes) -> None:
    if not first_character(body) and first_line(body) is None:
        raise RequestError(EMPTY)


def _cut(body: bytes, skips_blanks: bool) -> Iterator[RecordBlock]:
    for block in line_blocks(body):
        if skips_blanks:
            lines = [line for line in block.numbered() if not line.is_blank]
            numbers = [line.number for line in lines]
            yield RecordBlock(numbers, [line.text for line in lines])
        else:
            numbers_of_all = range(block.first, block.first + block.n_lines)
            yield RecordBlock(numbers_of_all, block.lines())


def read_line(number: int, line: bytes) -> Row | Question:
    """Read one line.

    Raises:
        RequestError: if it isn't JSON, or at the first field that is bad.
    """
    check_line(number, line)
    return read_record(number, load_json(line, first_line=number))


def _frame(predicted: PredictedRows, shape: Shape, style: AnswerStyle) -> Frame:
    del predicted, shape, style
    return LINES


JSON_LINES = Format(
    media_types=(
        "application/jsonlines",
        "application/x-jsonlines",
        "application/x-ndjson",
    ),
    parser=BodyParser.by_record(cut_lines, read_line, cut_batch),
    renderer=Renderer(render_rows, render_answer, render_fault, _frame),
)
