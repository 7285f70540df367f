"""Content-Type and Accept to a parser's and a renderer's media type (RFC 9110, sections
8.3 and 12.5.1).

Where a request names no type, its first character tells JSON from CSV. Where it accepts
several, the best quality wins, then the range that names a type more exactly, then the
order of the header; otherwise the answer is of its own type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from serve.codec import CSV, JSON, PARSERS, RENDERERS
from serve.errors import HttpError
from serve.rows import shown

# What clients send when they were told nothing.
_UNSAID = ("", "application/octet-stream")
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_UTF_8 = ("utf-8", "utf8")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range in lower case, with its parameters."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Read ``type/subtype; name=value``; what has no ``=`` is no parameter."""
        name, *rest = text.split(";")
        pairs = (part.partition("=") for part in rest if "=" in part)
        parameters = {
            key.strip().lower(): value.strip().strip('"').lower()
            for key, _, value in pairs
        }
        return cls(name.strip().lower(), parameters)

    @property
    def quality(self) -> float:
        """The weight of a range, 0 to 1; 0, which refuses, where it is malformed."""
        text = self.parameters.get("q", "1")
        return float(text) if _QUALITY.fullmatch(text) else 0.0

    def specificity(self, name: str) -> int:
        """How exactly this range names the type: 2 by name, 1 by its first half, 0 by
        ``*/*``, -1 not at all.
        """
        ranges = ("*/*", name.partition("/")[0] + "/*", name)
        return ranges.index(self.name) if self.name in ranges else -1


def request_type(content_type: str | None, body: bytes) -> str:
    """The key of `PARSERS` for a body.

    Raises:
        HttpError: 415 if the type isn't among them or the charset isn't UTF-8.
    """
    media_type = MediaType.parse(content_type or "")
    charset = media_type.parameters.get("charset", "utf-8")
    if charset not in _UTF_8:
        raise HttpError(415, f"charset {shown(charset)!r} isn't supported, send UTF-8")
    if media_type.name in _UNSAID:
        return JSON if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else CSV
    if media_type.name not in PARSERS:
        raise HttpError(
            415,
            f"Content-Type {shown(media_type.name)!r} isn't supported, send one of {', '.join(PARSERS)}",
        )
    return media_type.name


def answer_type(accept: str | None, own: str) -> MediaType:
    """A key of `RENDERERS` with the parameters that the client gave it; ``own`` is the
    request's type.

    Raises:
        HttpError: 406 if nothing that we offer is accepted.
    """
    ranges = [
        MediaType.parse(part) for part in (accept or "").split(",") if part.strip()
    ]
    if not ranges:
        return MediaType(own)
    offers = sorted(RENDERERS, key=lambda name: name != own)
    fits = [fit for name in offers if (fit := _fit(name, ranges))]
    if not fits:
        raise HttpError(
            406,
            f"nothing in Accept {shown(accept)!r} can be answered, ask for one of {', '.join(RENDERERS)}",
        )
    return max(fits, key=lambda fit: fit[0])[1]


def _fit(
    name: str, ranges: list[MediaType]
) -> tuple[tuple[float, int, int], MediaType] | None:
    """How well a type is accepted (greater is better), as the range that names it most
    exactly says.
    """
    ranked = [
        (r.specificity(name), r.quality, -place) for place, r in enumerate(ranges)
    ]
    specificity, quality, place = max(ranked)
    if specificity < 0 or quality == 0:
        return None
    return (quality, specificity, place), MediaType(name, ranges[-place].parameters)
