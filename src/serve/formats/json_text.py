"""JSON text to Python's objects, in bounded memory.

Python's objects take up to 40 times as much memory as their text. So the members of a
long list are decoded some at a time:

1. A scan finds the commas between the members. It knows strings and brackets, nothing
   else of JSON.
2. Between some of these commas the text is cut into pieces. Each piece is decoded with
   brackets around it.
3. If every piece is JSON and none is blank, the whole is JSON.

The members of a long object are decoded in the same way. If it has long ``instances``,
they stay text until they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from movielens.errors import RequestError
from movielens.grammar import BLANKS
from serve.fields import ID_MIN
from serve.formats.lines import check_length
from serve.rows import BYTE_ORDER_MARK, check_utf8, decode_utf8

BODY_EXPECTED = (
    'an object with userId and movieId, a list of them, or {"instances": [...]}'
)
INSTANCES = "instances"

# orjson reads whole numbers beyond 64 bits as floats. No field takes either.
_LARGEST = 2**64 - 1
_MOST_DIGITS = len(str(_LARGEST))
# White space, and the control-Z that old editors write at the end of a file.
_AFTER_JSON = BLANKS + "\r\n"


class Limits(NamedTuple):
    """How bodies are cut.

    Attributes:
        short_bytes: up to this length, a body is decoded at once.
        piece_bytes: members are decoded up to this length at a time, or a single one
            that is longer.
        scanned_bytes: so much is scanned at a time.
    """

    short_bytes: int = 2**20
    piece_bytes: int = 2**18
    scanned_bytes: int = 2**17


_LIMITS = Limits()

# Names and values of a single row. Users of MovieLens have up to 33,000 ratings, which
# are 231,000 names and values.
_MOST_VALUES = 400_000
# Fields of an object around rows.
_MOST_FIELDS = 1000


def load_json(data: bytes, first_line: int = 1) -> Any:
    """Decode JSON at once.

    orjson is twice as fast as Python's own reader. Where it refuses, Python's reader
    decides, because its errors name line and column.

    Raises:
        RequestError: if this isn't JSON, or if it has too many values. ``first_line``
            is the number of the line that the data begins with.
    """
    if len(data) > _LIMITS.short_bytes:
        _check_values(data, first_line)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = decode_utf8(data, first_line)
    text = text.removeprefix("\ufeff").rstrip(_AFTER_JSON)
    try:
        return _load_as_python(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise _not_json(line, error.msg, error.colno) from None
    except RecursionError:
        raise _too_deep(first_line) from None


def _check_values(data: bytes, line: int, piece: Piece | None = None) -> None:
    """Check that there aren't too many values, by what stands beside them."""
    start, end = piece or (0, len(data))
    check_length(line, end - start)
    n_values = sum(data.count(sign, start, end) for sign in (b",", b":", b"[", b"{"))
    if n_values > _MOST_VALUES:
        raise RequestError(
            f"line {line}: the row has more than {_MOST_VALUES} names and values, "
            "send fewer ratings in its history"
        )


def _load_as_python(text: str) -> Any:
    if text.startswith("\ufeff"):
        return json.loads(text)  # which says that there is one too many
    return _DECODER.decode(text)


def _parse_int(digits: str) -> int | float:
    if len(digits) > _MOST_DIGITS:  # int() refuses thousands of digits
        return float(digits)
    number = int(digits)
    return number if ID_MIN <= number <= _LARGEST else float(number)


_DECODER = json.JSONDecoder(parse_int=_parse_int)


def _not_json(line: int, message: str, character: int) -> RequestError:
    return RequestError(f"line {line} isn't JSON: {message} at character {character}")


def _too_deep(line: int) -> RequestError:
    return RequestError(f"line {line} is nested too deeply, expected {BODY_EXPECTED}")


# Long bodies


class Piece(NamedTuple):
    """Members of a list or an object that follow each other.

    Attributes:
        start: the place of their first byte in the body.
        end: the place of the comma or bracket behind them.
    """

    start: int
    end: int

    @property
    def length(self) -> int:
        """In bytes."""
        return self.end - self.start


class LongList(NamedTuple):
    """A list that stays text.

    Attributes:
        body: what it is a part of.
        pieces: its members; all were decoded once, so they are JSON.
    """

    body: bytes
    pieces: list[Piece]

    def blocks(self) -> Iterator[list[Any]]:
        """The members, some at a time."""
        for piece in self.pieces:
            yield _load_members(self.body, b"[", piece, b"]")


def load_body(body: bytes, limits: Limits = _LIMITS) -> Any:
    """Decode a body. A long list becomes a `LongList`, and so do long instances.

    Raises:
        RequestError: if it isn't JSON, or if a row has too many values.
    """
    if len(body) <= limits.short_bytes:
        return load_json(body)
    text = _LongText(body, limits)
    begin = text.behind_blanks(text.begin)
    match body[begin : begin + 1]:
        case b"[":
            long_list, end = text.load_list(begin)
            text.check_end(end)
            return long_list
        case b"{":
            fields, end = text.load_object(begin)
            text.check_end(end)
            return fields
        case _:
            return load_json(body)


class _LongText:
    """A long body, and what to say where it isn't JSON.

    Attributes:
        body: the body.
        limits: how it is cut.
        begin: behind its byte order mark.
        end: before the blanks at its end.
    """

    def __init__(self, body: bytes, limits: Limits) -> None:
        self.body = body
        self.limits = limits
        self.begin = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
        self.end = len(body.rstrip(_AFTER_JSON.encode()))

    def behind_blanks(self, place: int) -> int:
        """The first place from here on that isn't blank."""
        found = _JSON_BLANKS.match(self.body, place, self.end)
        return place if found is None else found.end()

    def check_end(self, place: int) -> None:
        """Check that nothing is there from this place on."""
        place = self.behind_blanks(place)
        if place < self.end:
            check_utf8(self.body)
            raise self._error("Extra data", place)

    def load_list(self, begin: int) -> tuple[LongList, int]:
        """The list that begins there, and the place behind it.

        Raises:
            RequestError: if it isn't JSON, or if a row has too many values.
        """
        pieces = []
        n_members = 0
        opening = b"["
        for piece in _cut(self, begin):
            if piece.length > self.limits.piece_bytes:
                _check_values(self.body, n_members + 1, piece)
            n_members += len(self._load(opening, piece, b"]"))
            pieces.append(piece)
            opening = b"[0,"
        return LongList(self.body, pieces), pieces[-1].end + 1

    def load_object(self, begin: int) -> tuple[dict[str, Any], int]:
        """The object that begins there, and the place behind it.

        Raises:
            RequestError: if it isn't JSON, or if it has too many fields or values.
        """
        fields: dict[str, Any] = {}
        opening = b"{"
        end = begin
        for piece in _cut(self, begin):
            if piece.length > self.limits.piece_bytes:
                fields |= self._load_long_member(opening, piece)
            else:
                fields |= self._load(opening, piece, b"}")
            if len(fields) > _MOST_FIELDS:
                raise RequestError(
                    f"line 1: the body has more than {_MOST_FIELDS} fields, "
                    f"expected {BODY_EXPECTED}"
                )
            opening = b'{"":0,'
            end = piece.end + 1
        return fields, end

    def _load_long_member(self, opening: bytes, piece: Piece) -> Any:
        name = _NAME_OF_A_LIST.match(self.body, piece.start, piece.end)
        if name is None or not _is_instances(name[1]):
            _check_values(self.body, 1, piece)
            return self._load(opening, piece, b"}")
        instances, end = self.load_list(name.end() - 1)
        rest = Piece(end, piece.end)
        if self.behind_blanks(end) != piece.end or not self._ends_well(rest, b"}"):
            raise self._fault(b'{"":[]', rest)
        return {INSTANCES: instances}

    def _load(self, opening: bytes, piece: Piece, closing: bytes) -> Any:
        """Decode members.

        Args:
            opening: a bracket, with a member that stands for those before if there are.
            piece: the members.
            closing: the bracket that ends them all.

        Raises:
            RequestError: if they aren't JSON.
        """
        bracket = opening[:1]
        is_blank = self.behind_blanks(piece.start) == piece.end
        is_empty = opening == bracket and self.body.startswith(closing, piece.end)
        if self._ends_well(piece, closing) and (is_empty or not is_blank):
            try:
                return _load_members(self.body, bracket, piece, closing)
            except (ValueError, RecursionError):
                pass  # `_fault` knows where
        raise self._fault(opening, piece)

    def _ends_well(self, piece: Piece, closing: bytes) -> bool:
        """Whether a comma follows, or the right bracket."""
        follower = self.body[piece.end : piece.end + 1]
        return piece.end < self.end and follower in (b",", closing)

    def _fault(self, opening: bytes, piece: Piece) -> RequestError:
        """What Python's reader finds to be wrong, up to what follows the piece."""
        check_utf8(self.body)
        end = min(piece.end + 1, self.end)
        text = (opening + self.body[piece.start : end]).decode()
        try:
            _DECODER.decode(text)
        except json.JSONDecodeError as error:
            before = text[: error.pos].encode()
            place = piece.start - len(opening) + len(before)
            return self._error(error.msg, place)
        except RecursionError:
            return _too_deep(1)
        raise AssertionError("a piece isn't JSON, but it is with what is around it")

    def _error(self, message: str, place: int) -> RequestError:
        body = self.body
        line = 1 + body.count(b"\n", 0, place)
        line_start = body.rfind(b"\n", 0, place) + 1
        line_start = max(line_start, self.begin)

        n_bytes = place - line_start
        before = np.frombuffer(body, np.uint8, n_bytes, line_start)
        is_first_byte = before & _TOP_BITS != _CONTINUED
        n_characters = np.count_nonzero(is_first_byte)
        return _not_json(line, message, int(n_characters) + 1)


_JSON_BLANKS = re.compile(rb"[ \t\n\r]*+")
_NAME_OF_A_LIST = re.compile(
    rb'[ \t\n\r]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\n\r]*+:[ \t\n\r]*+\['
)
# In UTF-8, bytes that continue a character.
_TOP_BITS, _CONTINUED = 0xC0, 0x80


def _is_instances(name: bytes) -> bool:
    try:
        return bool(orjson.loads(name) == INSTANCES)
    except orjson.JSONDecodeError:
        return False


def _load_members(body: bytes, opening: bytes, piece: Piece, closing: bytes) -> Any:
    """Decode a piece with brackets around it.

    Raises:
        ValueError: if it isn't JSON.
        RecursionError: if it is nested too deeply.
    """
    data = b"".join((opening, memoryview(body)[piece.start : piece.end], closing))
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _DECODER.decode(data.decode())


# The scan

_COMMA, _QUOTE, _OPENING, _CLOSING = 1, 2, 3, 4
_MARKS = np.zeros(256, dtype=np.uint8)
_MARKS[list(b",")] = _COMMA
_MARKS[list(b'"')] = _QUOTE
_MARKS[list(b"[{")] = _OPENING
_MARKS[list(b"]}")] = _CLOSING
_DEEPER = np.array([0, 0, 0, 1, -1], dtype=np.int8)


def _cut(text: _LongText, begin: int) -> Iterator[Piece]:
    """Cut a list or an object between its members; ``begin`` is at its bracket.

    The last piece ends at the other bracket, or at the end of the text if there is
    none.
    """
    most = text.limits.piece_bytes
    end = text.end
    start = begin + 1
    last_comma = -1
    for commas, closing in _scan(text, start):
        n_near = -1
        while n_near < len(commas):
            n_near = int(np.searchsorted(commas, start + most, side="right"))
            if n_near > 0:
                last_comma = max(last_comma, int(commas[n_near - 1]))
            if n_near < len(commas):
                if last_comma < start:
                    last_comma = int(commas[n_near])
                yield Piece(start, last_comma)
                start = last_comma + 1
        if closing is not None:
            end = closing
            break
    if end - start > most and last_comma >= start:
        yield Piece(start, last_comma)
        start = last_comma + 1
    yield Piece(start, end)


def _scan(
    text: _LongText, start: int
) -> Iterator[tuple[NDArray[np.int64], int | None]]:
    """Commas between the members of what is open at ``start``, some at a time.

    With the last of them comes the place of the bracket that closes it, if there is
    one.
    """
    body, end = text.body, text.end
    most = text.limits.scanned_bytes
    depth = 1
    is_in_text = False
    while start < end:
        chunk = body[start : min(start + most, end)]
        if b"\\" in chunk:
            n_backslashes = len(chunk) - len(chunk.rstrip(b"\\"))
            chunk = body[start : min(start + len(chunk) + n_backslashes % 2, end)]
            chunk = chunk.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        marks = _MARKS[np.frombuffer(chunk, dtype=np.uint8)]
        places = np.flatnonzero(marks)
        marks = marks[places]

        is_quote = (marks == _QUOTE).astype(np.uint8)
        is_quoted = np.bitwise_xor.accumulate(is_quote).astype(np.bool_) ^ is_in_text
        deeper = np.where(is_quoted, np.int8(0), _DEEPER[marks])
        depths = depth + np.cumsum(deeper, dtype=np.int32)
        is_between = (marks == _COMMA) & (depths == 1) & ~is_quoted
        closings = np.flatnonzero(depths == 0)
        if len(closings):
            is_between[closings[0] :] = False
            yield start + places[is_between], start + int(places[closings[0]])
            return
        yield start + places[is_between], None
        if len(marks):
            depth = int(depths[-1])
            is_in_text = bool(is_quoted[-1])
        start += len(chunk)
