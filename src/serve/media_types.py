"""Content-Type and Accept, as RFC 9110 defines them in sections 8.3 and 12.5.1.

Where a request accepts several types, the range with the best quality wins, then the
range that names a type more exactly, then the one that comes first in the header. If
ranges fit several types equally well, the answer has the type of the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from serve.errors import HttpError
from serve.fields import shown
from serve.formats.registry import Formats

# Old versions of Java send ".2".
_QUALITY = re.compile(r"0(?:\.\d{0,3})?|\.\d{1,3}|1(?:\.0{0,3})?", re.ASCII)
# ASCII is UTF-8, too.
_UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")
# Old versions of Java send the star alone.
_ANYTHING = ("*/*", "*")

# What stands in quotes may hold separators, and a backslash before any character. A
# quote that is never closed goes to the end.
_QUOTED = r'"(?:\\.|[^"\\])*"?'
_BETWEEN_COMMAS = re.compile(rf'(?:{_QUOTED}|[^,"])+', re.DOTALL)
_BETWEEN_SEMICOLONS = re.compile(rf'(?:{_QUOTED}|[^;"])+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range with its parameters, all in lower case."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Read ``type/subtype; name=value``; a parameter without ``=`` is ignored.

        Example:
            >>> MediaType.parse('Text/CSV; Header="present"')
            MediaType(name='text/csv', parameters={'header': 'present'})
        """
        name, _, rest = text.partition(";")
        parameters = {}
        for part in _BETWEEN_SEMICOLONS.findall(rest):
            key, equals, value = part.partition("=")
            if equals:
                parameters[key.strip().lower()] = _unquoted(value.strip()).lower()
        return cls(name.strip().lower(), parameters)

    @property
    def quality(self) -> float:
        """The weight of a range, 0 to 1; 0 refuses, and so does a malformed one."""
        text = self.parameters.get("q", "1")
        return float(text) if _QUALITY.fullmatch(text) else 0.0

    def specificity(self, name: str) -> int:
        """How exactly this range names a type.

        2 if fully, 1 if by its first half, 0 if by ``*/*``, -1 if not at all.
        """
        if self.name in _ANYTHING:
            return 0
        first_half = name.partition("/")[0]
        ranges = (f"{first_half}/*", name)
        return 1 + ranges.index(self.name) if self.name in ranges else -1

    @property
    def charset(self) -> str | None:
        """The charset if it isn't UTF-8, else None."""
        charset = self.parameters.get("charset")
        return None if charset in _UTF_8 else charset


def _unquoted(value: str) -> str:
    """A parameter's value without its quotes and backslashes."""
    if not value.startswith('"'):
        return value
    inside = value[1:].removesuffix('"')
    return _ESCAPED.sub(r"\1", inside)


def check_charset(charset: str | None, body: bytes) -> None:
    """Check that a body can be read as UTF-8, whatever the charset that it came with.

    ASCII has the same bytes in nearly all charsets. Those of UTF-16 have zeros.

    Raises:
        HttpError: 415 if it can't.
    """
    if charset is None:
        return
    if not body.isascii() or b"\0" in body:
        raise HttpError(415, f"charset {shown(charset)!r} isn't supported, send UTF-8")


def request_type(content_type: MediaType, first: bytes, formats: Formats) -> str:
    """The media type of a body, one of those of ``formats``.

    Args:
        content_type: what the request says.
        first: the body's `first_character`, for requests that don't say.
        formats: what can be read.

    Raises:
        HttpError: 415 if the type can't be read.
    """
    found = formats.media_type_of(content_type.name, first)
    if found is None:
        raise HttpError(
            415,
            f"Content-Type {shown(content_type.name)!r} isn't supported, "
            f"send one of {', '.join(formats.media_types)}",
        )
    return found


def answer_type(accept: str | None, own: str, formats: Formats) -> MediaType:
    """The media type of an answer, with the parameters that the client gave it.

    Args:
        accept: the header.
        own: the media type of the request.
        formats: what can be written.

    Raises:
        HttpError: 406 if the client accepts none of them.
    """
    parts = _BETWEEN_COMMAS.findall(accept or "")
    ranges = [MediaType.parse(part) for part in parts if part.strip()]
    if not ranges:
        return MediaType(own)
    # max() takes the first of equals, so the request's own type goes first.
    offers = [own, *(name for name in formats.media_types if name != own)]
    fits = [_fit(name, ranges) for name in offers]
    best = max(fits, key=lambda fit: fit.rank)
    if best.rank.quality == 0:
        raise HttpError(
            406,
            f"nothing in Accept {shown(accept)!r} can be answered, "
            f"ask for one of {', '.join(formats.media_types)}",
        )
    return best.media_type


class _Rank(NamedTuple):
    """How well a type is accepted; the greater the better."""

    quality: float
    specificity: int
    earliness: int


class _Fit(NamedTuple):
    rank: _Rank
    media_type: MediaType


def _fit(name: str, ranges: list[MediaType]) -> _Fit:
    """How well a type is accepted, by the range that names it most exactly."""

    def exactness(place: int) -> tuple[int, float, int]:
        return ranges[place].specificity(name), ranges[place].quality, -place

    place = max(range(len(ranges)), key=exactness)
    chosen = ranges[place]
    specificity = chosen.specificity(name)
    quality = chosen.quality if specificity >= 0 else 0.0
    rank = _Rank(quality, specificity, -place)
    return _Fit(rank, MediaType(name, chosen.parameters))
