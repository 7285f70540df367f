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

_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_UTF_8 = ("utf-8", "utf8")
# Byte order mark and white space, which may come before the first character of a body.
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"


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
        name, *rest = text.split(";")
        parameters = {}
        for part in rest:
            key, equals, value = part.partition("=")
            if equals:
                parameters[key.strip().lower()] = value.strip().strip('"').lower()
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
        first_half = name.partition("/")[0]
        ranges = ("*/*", f"{first_half}/*", name)
        return ranges.index(self.name) if self.name in ranges else -1


def first_character(body: bytes) -> bytes:
    """The first byte of a body that isn't white space, empty if there is none."""
    return body.lstrip(_BEFORE_TEXT)[:1]


def request_type(content_type: MediaType, first: bytes, formats: Formats) -> str:
    """The media type of a body, one of those of ``formats``.

    Args:
        content_type: what the request says.
        first: the body's `first_character`, for requests that don't say.
        formats: what can be read.

    Raises:
        HttpError: 415 if the type can't be read or the charset isn't UTF-8.
    """
    charset = content_type.parameters.get("charset", "utf-8")
    if charset not in _UTF_8:
        raise HttpError(415, f"charset {shown(charset)!r} isn't supported, send UTF-8")
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
    parts = (accept or "").split(",")
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
