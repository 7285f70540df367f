"""What a format of requests and answers is.

To add a format, write a module that makes a `Format` and list it in
`serve.formats.registry`. Everything else asks the `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from serve.formats.renderer import Renderer
from serve.questions import Wanted
from serve.rows import ParsedRequest, RowOrFault, Shape, raise_first_fault


class ReadRows(NamedTuple):
    """A body that is read row by row.

    Attributes:
        rows: every row in its place; one that can't be read is the error that says why.
        shape: how the body holds its rows.
    """

    rows: Iterable[RowOrFault]
    shape: Shape = Shape.LIST


@dataclass(frozen=True, slots=True)
class BodyParser:
    """Reads bodies. Both ways raise `RequestError` if a body isn't rows at all.

    Attributes:
        strict: raises `RequestError` at the first bad row.
        lenient: for batches; a bad row is a fault in its place, and the others are read
            as if it weren't there.
    """

    strict: Callable[[bytes], ParsedRequest]
    lenient: Callable[[bytes], ParsedRequest]

    @classmethod
    def by_row(cls, read: Callable[[bytes], ReadRows]) -> Self:
        """A parser that reads one row after the other, which is all a format needs."""

        def strict(body: bytes) -> ParsedRequest:
            found = read(body)
            return ParsedRequest.gather(raise_first_fault(found.rows), found.shape)

        def lenient(body: bytes) -> ParsedRequest:
            found = read(body)
            return ParsedRequest.gather(found.rows, found.shape)

        return cls(strict, lenient)


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """A format of requests and answers.

    Attributes:
        media_types: its media type, then other names for it, all in lower case.
        parser: reads bodies.
        renderer: writes answers.
        parser_of_users: for formats whose rows have no field to ask for recommendations
            with: reads bodies of users when the content type asks for them. None if
            rows have such fields.
        begins: the characters, one of which begins a body of this format if the request
            names no type; empty if such bodies aren't recognised.
    """

    media_types: tuple[str, ...]
    parser: BodyParser
    renderer: Renderer
    parser_of_users: Callable[[Wanted], BodyParser] | None = None
    begins: bytes = b""
