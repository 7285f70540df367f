"""The formats that a server knows, by media type."""

from __future__ import annotations

from collections.abc import Sequence

from serve.formats.csv_format import CSV
from serve.formats.format import Format
from serve.formats.json_format import JSON
from serve.formats.json_lines_format import JSON_LINES

# What clients send if they weren't given a type.
_NO_TYPE = ("", "application/octet-stream")


class Formats:
    """Formats by media type.

    Args:
        formats: in the order in which messages list them, and in which they are tried
            on a body without a type.
        default: the format of a body without a type that none of them recognises.

    Example:
        >>> FORMATS["application/x-ndjson"] is JSON_LINES
        True
        >>> FORMATS.media_type_of("", b"{")
        'application/json'
    """

    def __init__(self, formats: Sequence[Format], default: Format) -> None:
        self.formats = tuple(formats)
        self._default = default
        self._by_media_type: dict[str, Format] = {}
        for each in formats:
            for media_type in each.media_types:
                self._by_media_type[media_type] = each

    @property
    def media_types(self) -> tuple[str, ...]:
        """All media types, those of the first format first."""
        return tuple(self._by_media_type)

    def __getitem__(self, media_type: str) -> Format:
        return self._by_media_type[media_type]

    def __contains__(self, media_type: str) -> bool:
        return media_type in self._by_media_type

    def media_type_of(self, name: str, first_character: bytes) -> str | None:
        """The media type of a body, None if it isn't one of ours.

        Args:
            name: what the request calls it, which may be nothing.
            first_character: what the body begins with.
        """
        if name not in _NO_TYPE:
            return name if name in self else None
        for each in self.formats:
            if first_character and first_character in each.begins:
                return each.media_types[0]
        return self._default.media_types[0]


FORMATS = Formats([JSON, JSON_LINES, CSV], default=CSV)
