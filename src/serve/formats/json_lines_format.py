"""application/jsonlines: one JSON object a line; blank lines are skipped."""

from __future__ import annotations

from movielens.errors import RequestError
from serve.formats.format import BodyParser, Format, Records
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
from serve.rows import EMPTY, Row, Shape

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def cut_lines(body: bytes) -> Records:
    """The lines of a body that aren't blank.

    Raises:
        RequestError: if there are none.
    """
    lines = body.removeprefix(_BYTE_ORDER_MARK).splitlines()
    numbered = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            numbered.append((number, line))
    if not numbered:
        raise RequestError(EMPTY)
    return Records(numbered)


def read_line(number: int, line: bytes) -> Row | Question:
    """Read one line.

    Raises:
        RequestError: if it isn't JSON, or at the first field that is bad.
    """
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
    parser=BodyParser.by_record(cut_lines, read_line),
    renderer=Renderer(render_rows, render_answer, render_fault, _frame),
)
