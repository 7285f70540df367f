"""application/json: one object, a list of objects, or ``{"instances": [...]}``.

A row is an object, or a list such as ``[1, 318]``. Beside ``instances`` there may be
``parameters``, which hold options, and TensorFlow's ``signature_name``, which is
ignored. An answer has the shape of its request. In error messages the place of a row in
its list counts as its line, from 1.
"""

from __future__ import annotations

from typing import Any

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
from serve.formats.plain_rows import plain_json_rows
from serve.formats.renderer import AnswerStyle, Frame, Renderer
from serve.predicted_rows import PredictedRows
from serve.rows import EMPTY, Shape, first_character

_INSTANCES = "instances"
_PARAMETERS = "parameters"
_IGNORED = "signature_name"
_BESIDE_INSTANCES = frozenset({_INSTANCES, _PARAMETERS, _IGNORED})


def cut_json(body: bytes) -> Records:
    """The objects of a body; a list may be empty.

    Raises:
        RequestError: if it isn't JSON in one of the three shapes.
    """
    if not first_character(body):
        raise RequestError(EMPTY)
    value = load_json(body)
    if isinstance(value, list):
        return Records(list(enumerate(value, start=1)), Shape.LIST)
    if not isinstance(value, dict):
        raise RequestError.at(1, "the body", shown(value), BODY_EXPECTED)
    if _INSTANCES in value:
        return _cut_instances(value)
    return Records([(1, value)], Shape.OBJECT)


def _cut_instances(value: dict[str, Any]) -> Records:
    unknown = value.keys() - _BESIDE_INSTANCES
    if unknown:
        raise RequestError(
            f"unknown field {shown(min(unknown))!r} beside {_INSTANCES}, "
            f"expected {_PARAMETERS} or nothing"
        )
    instances = value[_INSTANCES]
    if not isinstance(instances, list):
        expected = '{"instances": [...]} with a list of rows'
        raise RequestError.at(1, "the body", shown(value), expected)
    parameters = value.get(_PARAMETERS)
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        expected = "an object with options"
        raise RequestError.at(1, _PARAMETERS, shown(parameters), expected)
    numbered = list(enumerate(instances, start=1))
    return Records(numbered, Shape.INSTANCES, parameters)


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
    parser=BodyParser.by_record(cut_json, read_record, read_plain=plain_json_rows),
    renderer=Renderer(render_rows, render_answer, render_fault, _frame),
    begins=b"{[",
)
