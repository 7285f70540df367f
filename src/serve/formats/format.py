"""What a format of requests and answers is.

To add a format, write a module that makes a `Format` and list it in
`serve.formats.registry`. Everything else asks the `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from movielens.queries import RatingQueries
from serve.formats.renderer import Renderer
from serve.questions import Question, Wanted
from serve.rows import NOTHING, ParsedRequest, Row, Rows, Shape

# So many records are worth being looked at together.
_MANY = 16


class RecordBlock(NamedTuple):
    """Records that follow each other, one a row.

    Attributes:
        numbers: the number of each record's line, or its place from 1.
        records: what the format reads its rows from.
    """

    numbers: Sequence[int]
    records: Sequence[Any]


class Records(NamedTuple):
    """A body that is cut into records.

    Attributes:
        blocks: makes them, some at a time, as `ParsedRequest` does.
        shape: how the body holds them.
        parameters: what else the body says about the answer, by option.
    """

    blocks: Callable[[], Iterable[RecordBlock]]
    shape: Shape = Shape.LIST
    parameters: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class BodyParser:
    """Reads bodies.

    All ways raise `RequestError` if a body isn't rows at all, or cutting it does.

    Attributes:
        strict: reading raises `RequestError` at the first bad row.
        lenient: for batches; a bad row is a fault in its place, and the others are read
            as if it weren't there. Each record has one answer. Only calling this
            raises, not what comes after it.
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
        read_plain: Callable[[Sequence[Any]], RatingQueries | None] | None = None,
    ) -> Self:
        """A parser that reads one record after the other. There are no headers.

        Args:
            cut: cuts a body into records; raises `RequestError` if it isn't rows.
            read: reads a record with its number; raises `RequestError` if it is bad.
            cut_batch: cuts a body of a batch, if that is done otherwise.
            read_plain: reads many plain records at once, to the same rows as ``read``;
                None where they aren't plain.
        """
        cut_leniently = cut_batch or cut

        def read_at_once(records: Sequence[Any]) -> Rows | None:
            if read_plain is None or len(records) < _MANY:
                return None
            queries = read_plain(records)
            return None if queries is None else Rows(queries)

        def read_strictly(block: RecordBlock) -> Rows:
            return read_at_once(block.records) or Rows.gather(map(read, *block))

        def read_leniently(block: RecordBlock) -> Rows:
            return read_at_once(block.records) or Rows.read_each(read, *block)

        def strict(body: bytes) -> ParsedRequest:
            blocks, shape, parameters = cut(body)
            return ParsedRequest(blocks, read_strictly, shape, parameters)

        def lenient(body: bytes) -> ParsedRequest:
            blocks, shape, parameters = cut_leniently(body)
            return ParsedRequest(blocks, read_leniently, shape, parameters)

        return cls(strict, lenient, single=lenient)


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """A format of requests and answers.

    Attributes:
        media_types: its media type, then other names for it, all in lower case.
        parser: reads bodies.
        renderer: writes answers.
        parser_of_users: for formats whose rows have no field to ask for movies with:
            reads bodies of users when the content type asks for movies. None if rows
            have such fields.
        begins: the characters, one of which begins a body of this format if the request
            names no type; empty if such bodies aren't recognised.
    """

    media_types: tuple[str, ...]
    parser: BodyParser
    renderer: Renderer
    parser_of_users: Callable[[Wanted], BodyParser] | None = None
    begins: bytes = b""
