"""Bodies of a batch, in which a bad row must not take the good ones with it.

A body is read as always; only where that fails are its rows looked at in halves, and
the halves of halves, until each bad row stands alone. It keeps its place in the answer,
where the error stands in the row's stead.
"""

from __future__ import annotations

import re

import numpy as np

from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.codec import CSV, JSON, Parser
from serve.json_rows import parse_json_records
from serve.questions import Question
from serve.rows import FIELDS, ParsedRequest

_PLACE = re.compile(r"^line \d+")


def parse_leniently(parse: Parser, media_type: str, body: bytes) -> ParsedRequest:
    """Rows of a body with what is wrong with the others; ``parse`` is how bodies of
    that type are read.

    Raises:
        RequestError: if the body isn't rows at all: empty, or no JSON.
    """
    try:
        return parse(body)
    except RequestError:
        if media_type == JSON:
            return parse_json_records(body)
        lines = [
            (number, line)
            for number, line in enumerate(
                body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1
            )
        ]
        lines = [(number, line) for number, line in lines if line.strip()]
        if not lines:
            raise
        header = (
            lines.pop(0)[1] + b"\n"
            if media_type == CSV and _is_header(lines[0][1])
            else b""
        )
        if not lines:
            raise
        return _gather(parse, header, lines)


def _is_header(line: bytes) -> bool:
    return any(name.encode() in line for name in FIELDS)


def _gather(
    parse: Parser, header: bytes, lines: list[tuple[int, bytes]]
) -> ParsedRequest:
    good: list[RatingQueries] = []
    faults: dict[int, str] = {}
    questions: dict[int, Question] = {}

    def read(first: int, last: int) -> None:
        try:
            parsed = parse(header + b"\n".join(line for _, line in lines[first:last]))
            good.append(parsed.queries)
            questions.update(
                {
                    first + place: question
                    for place, question in parsed.questions.items()
                }
            )
        except RequestError as error:
            if last - first == 1:
                faults[first] = _PLACE.sub(f"line {lines[first][0]}", str(error))
                return
            middle = (first + last) // 2
            read(first, middle)
            read(middle, last)

    read(0, len(lines))
    return ParsedRequest(join(good), faults=faults, questions=questions)


def join(parts: list[RatingQueries]) -> RatingQueries:
    """All rows, one part after the other."""
    columns = zip(
        *((q.user_id, q.movie_id, q.timestamp) for q in [RatingQueries.none(), *parts]),
        strict=True,
    )
    return RatingQueries(*map(np.concatenate, columns))
