"""What a format of requests and answers is.

To add a format, write a module that makes a `Format` and list it in
`serve.formats.registry`. Everything else asks the `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from serve.formats.renderer import Renderer
from serve.questions import Question, Wanted
from serve.rows import NOTHING, ParsedRequest, Row, Shape, row_or_fault


class Records(NamedTuple):
    """A body that is cut into records, one a row.

    Attributes:
        numbered: each record with the number of its line, or with its place from 1.
        shape: how the body holds them.
        parameters: what else the body says about the answer, by option.
    """

    numbered: Iterable[tuple[int, Any]]
    shape: Shape = Shape.LIST
    parameters: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class BodyParser:
    """Reads bodies. All ways raise `RequestError` if a body isn't rows at all.

    Attributes:
        strict: raises `RequestError` at the first bad row.
        lenient: for batches; a bad row is a fault in its place, and the others are read
            as if it weren't there. Each record has one answer.
        single: for batches with one record a body; a header that later bodies would
            need is refused.
    """

    strict: Callable[[bytes], ParsedRequest]
    lenient: Callable[[bytes], ParsedRequest]
    single: Callable[[bytes], ParsedRequest]

    @classmethod
    def by_record(
        cls,
        cut: Callable[[bytes], Records],
        read: Callable[[int, Any], Row | Question],
        cut_batch: Callable[[bytes], Records] | None = None,
    ) -> Self:
        """A parser that reads one record after the other. There are no headers.

        Args:
            cut: cuts a body into records; raises `RequestError` if it isn't rows.
            read: reads a record with its number; raises `RequestError` if it is bad.
            cut_batch: cuts a body of a batch, if that is done otherwise.
        """
        cut_leniently = cut_batch or cut

        def strict(body: bytes) -> ParsedRequest:
            numbered, shape, parameters = cut(body)
            rows = [read(number, record) for number, record in numbered]
            return ParsedRequest.gather(rows, shape, parameters)

        def lenient(body: bytes) -> ParsedRequest:
            numbered, shape, parameters = cut_leniently(body)
            rows = [row_or_fault(read, number, record) for number, record in numbered]
            return ParsedRequest.gather(rows, shape, parameters)

        return cls(strict, lenient, single=lenient)


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
