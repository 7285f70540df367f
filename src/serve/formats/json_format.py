"""application/json: one object, a list of objects, or ``{"instances": [...]}``.

A row is an object, or a list such as ``[1, 318]``. Beside ``instances`` there may be
``parameters``, which hold options, and TensorFlow's ``signature_name``, which is
ignored. An answer has the shape of its request. In error messages the place of a row in
its list counts as its line, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from movielens.errors import RequestError
from serve.fields import shown
from serve.formats.format import BodyParser, Format, RecordBlock, Records
from serve.formats.json_records import (
    read_record,
    render_answer,
    render_fault,
    render_rows,
)
from serve.formats.json_text import BODY_EXPECTED, INSTANCES, LongList, load_body
from serve.formats.lines import BLOCK_LINES
from serve.formats.plain_rows import plain_json_rows
from serve.formats.renderer import AnswerStyle, Frame, Renderer
from serve.predicted_rows import PredictedRows
from serve.rows import EMPTY, Shape, first_character

_PARAMETERS = "parameters"
_IGNORED = "signature_name"
_BESIDE_INSTANCES = frozenset({INSTANCES, _PARAMETERS, _IGNORED})


def cut_json(body: bytes) -> Records:
    """The objects of a body; a list may be empty.

    Raises:
        RequestError: if it isn't JSON in one of the three shapes.
    """
    if not first_character(body):
        raise RequestError(EMPTY)
    value = load_body(body)
    if isinstance(value, list | LongList):
        return Records(partial(_blocks, value))
    if not isinstance(value, dict):
        raise RequestError.at(1, "the body", shown(value), BODY_EXPECTED)
    if INSTANCES in value:
        return _cut_instances(value)
    return Records(partial(_blocks, [value]), Shape.OBJECT)


def _cut_instances(value: dict[str, Any]) -> Records:
    unknown = value.keys() - _BESIDE_INSTANCES
    if unknown:
        raise RequestError(
            f"unknown field {shown(min(unknown))!r} beside {INSTANCES}, "
            f"expected {_PARAMETERS} or nothing"
        )
    instances = value[INSTANCES]
    if not isinstance(instances, list | LongList):
        expected = '{"instances": [...]} with a list of rows'
        raise RequestError.at(1, "the body", shown(value), expected)
    parameters = value.get(_PARAMETERS)
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        expected = "an object with options"
        raise RequestError.at(1, _PARAMETERS, shown(parameters), expected)
    return Records(partial(_blocks, instances), Shape.INSTANCES, parameters)


def _blocks(members: list[Any] | LongList) -> Iterable[RecordBlock]:
    """All members, some at a time."""
    if isinstance(members, list) and 0 < len(members) <= BLOCK_LINES:
        return (RecordBlock(range(1, len(members) + 1), members),)
    return _cut_blocks(members)


def _cut_blocks(members: list[Any] | LongList) -> Iterator[RecordBlock]:
    n_before = 0
    for block in members.blocks() if isinstance(members, LongList) else [members]:
        for start in range(0, len(block), BLOCK_LINES):
            records = block[start : start + BLOCK_LINES]
            first = n_before + start + 1
            yield RecordBlock(range(first, first + len(records)), records)
        n_before += len(block)


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
