"""application/json: one object, a list of objects, or ``{"instances": [...]}``.

An answer has the shape of its request. In error messages the place of an object in its
list counts as its line, from 1.
"""

from __future__ import annotations

from movielens.errors import RequestError
from serve.fields import shown
from serve.formats.format import BodyParser, Format, Records
from serve.formats.json_records import (
    BODY_EXPECTED,
    load_json,
    read_record,
    render_answer,
    render_fault,
    render_rows,
)
from serve.formats.renderer import AnswerStyle, Frame, Renderer
from serve.predicted_rows import PredictedRows
from serve.rows import EMPTY, Shape

_INSTANCES = "instances"


def cut_json(body: bytes) -> Records:
    """The objects of a body; a list may be empty.

    Raises:
        RequestError: if it isn't JSON in one of the three shapes.
    """
    if not body.strip(b"\xef\xbb\xbf \t\r\n"):
        raise RequestError(EMPTY)
    value = load_json(body)
    if isinstance(value, list):
        return Records(enumerate(value, start=1), Shape.LIST)
    if not isinstance(value, dict):
        raise RequestError.at(1, "the body", shown(value), BODY_EXPECTED)
    if _INSTANCES not in value:
        return Records([(1, value)], Shape.OBJECT)
    instances = value[_INSTANCES]
    if len(value) > 1 or not isinstance(instances, list):
        expected = '{"instances": [...]} with a list and no other field'
        raise RequestError.at(1, "the body", shown(value), expected)
    return Records(enumerate(instances, start=1), Shape.INSTANCES)


_FRAMES = {
    Shape.OBJECT: Frame(b"", b"", b""),
    Shape.LIST: Frame(b"[", b",", b"]"),
    Shape.INSTANCES: Frame(b'{"predictions":[', b",", b"]}"),
}


def _frame(predicted: PredictedRows, shape: Shape, style: AnswerStyle) -> Frame:
    del predicted, style
    return _FRAMES[shape]


JSON = Format(
    media_types=("application/json",),
    parser=BodyParser.by_record(cut_json, read_record),
    renderer=Renderer(render_rows, render_answer, render_fault, _frame),
    begins=b"{[",
)
