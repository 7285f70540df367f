"""application/jsonlines: one JSON object a line; blank lines are skipped."""

from __future__ import annotations

from movielens.errors import RequestError
from serve.formats.format import BodyParser, Format, ReadRows
from serve.formats.json_records import (
    load_json,
    read_record,
    render_answer,
    render_fault,
    render_rows,
)
from serve.formats.renderer import LINES, AnswerStyle, Frame, Renderer
from serve.predicted_rows import PredictedRows
from serve.questions import Question
from serve.rows import EMPTY, Row, Shape, row_or_fault

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(body: bytes) -> ReadRows:
    """Read a body line by line.

    Raises:
        RequestError: if all lines are blank.
    """
    lines = body.removeprefix(_BYTE_ORDER_MARK).splitlines()
    if not any(line.strip() for line in lines):
        raise RequestError(EMPTY)
    numbered = enumerate(lines, start=1)
    rows = (
        row_or_fault(_read_line, number, line)
        for number, line in numbered
        if line.strip()
    )
    return ReadRows(rows)


def _read_line(number: int, line: bytes) -> Row | Question:
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
    parser=BodyParser.by_row(read_json_lines),
    renderer=Renderer(render_rows, render_answer, render_fault, _frame),
)
