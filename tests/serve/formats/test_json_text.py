from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.formats.json_text import Limits, LongList, load_body

# So small that every body is long, and its pieces are of a member or two.
TINY = Limits(short_bytes=0, piece_bytes=20, scanned_bytes=7)

LEAVES = st.sampled_from(
    [None, True, 1, -2.5, 2**63, "", 'a"b', "\\", "[,", "}]", "é", "\U0001f600"]
)
VALUES = st.recursive(
    LEAVES,
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(st.sampled_from(["", "instances", "a", "é"]), values)
    ),
    max_leaves=12,
)
SEPARATORS = st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\t")])
# What breaks JSON, or what Python's reader takes and orjson doesn't.
MARKS = [bytes([each]) for each in b',[]{}"\\: \n\x1a\xff0']
PIECES = st.sampled_from(
    [*MARKS, b"NaN", b"\xef\xbb\xbf", b'\\"', b"\\\\", b"\xc3\xa9"]
)


def in_full(value: Any) -> Any:
    """The same without long lists."""
    if isinstance(value, LongList):
        return [member for block in value.blocks() for member in block]
    if isinstance(value, dict):
        return {name: in_full(each) for name, each in value.items()}
    return value


def outcome(body: bytes, limits: Limits) -> str:
    """What a body is decoded to, or what is wrong with it."""
    try:
        return repr(in_full(load_body(body, limits)))
    except RequestError as error:
        return str(error)


@given(VALUES, SEPARATORS, st.booleans())
def test_a_body_in_pieces_is_the_body_at_once(
    value: Any, separators: tuple[str, str], is_ascii: bool
) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=is_ascii)
    body = text.encode()
    assert outcome(body, TINY) == outcome(body, Limits()) == repr(value)


@given(VALUES, SEPARATORS, st.data())
def test_what_is_wrong_is_found_in_the_same_place(
    value: Any, separators: tuple[str, str], data: st.DataObject
) -> None:
    body = json.dumps(value, separators=separators).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        n_lost = data.draw(st.integers(0, 2))
        put = data.draw(PIECES | st.just(b""))
        body = body[:place] + put + body[place + n_lost :]
    assert outcome(body, TINY) == outcome(body, Limits())


@pytest.mark.parametrize(
    "body",
    [
        b"[1,,2]",
        b"[1,]",
        b"[,1]",
        b"[1}",
        b"[1] 2",
        b"[[1}}",
        b'{"a":1,}',
        b'{"instances":[1] 2}',
        b'{"instances":[1],}',
        b'{"instances":[1,2,3,4,5,6,7,8,9,10,11,12]]}',
        b'["\xff",',
        b"[1,\n2,\n\xc3\xa9]",
    ],
)
def test_a_comma_or_bracket_too_many_is_no_json(body: bytes) -> None:
    assert outcome(body, TINY) == outcome(body, Limits())
    assert "line " in outcome(body, TINY)


def test_the_last_of_several_instances_counts() -> None:
    body = b'{"instances":[1,2,3,4,5,6,7,8,9,10],"instances":[2]}'
    assert outcome(body, TINY) == outcome(body, Limits()) == "{'instances': [2]}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[[1,2]," + b"[%b]]" % b",".join([b"1"] * 600_000), "line 2: the row has"),
        (b'{"a":[%b]}' % b",".join([b"1"] * 600_000), "line 1: the row has more than"),
        (
            b"{%b}" % b",".join(b'"%d":1' % name for name in range(200_000)),
            "line 1: the body has more than 1000 fields",
        ),
        (b'["%b"]' % (b"x" * 2**23), "line 1: the row is longer than 8 MiB"),
    ],
)
def test_a_row_has_so_many_values(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        load_body(body)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"instances":[', b"[1,["])
def test_brackets_without_end_are_refused(opening: bytes) -> None:
    body = opening * 1_200_000
    with pytest.raises(RequestError, match=r"^line [12]"):
        load_body(body)
