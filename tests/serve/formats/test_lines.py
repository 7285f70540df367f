from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.formats.csv_rows import PAIRS, users_parser
from serve.formats.format import BodyParser
from serve.formats.json_lines_format import JSON_LINES
from serve.formats.lines import (
    NumberedLine,
    check_line,
    cut_at_lines,
    first_line,
    line_blocks,
)
from serve.questions import Wanted

USERS = users_parser(Wanted(1))

# For each format of lines: a parser, good records, and bad ones. The bad ones are what
# is found in files: headers, open quotes, blank lines, other line ends, other numbers.
LINES: dict[str, tuple[BodyParser, list[bytes], list[bytes]]] = {
    "pairs": (
        PAIRS,
        [b"1,318", b"1,318,964982703", b" 4 ,\t10.0", b'"7","8"', b"1,2,2015-03-09"],
        [
            b"userId,movieId",
            b"movieId,userId",
            b'1,"318',
            b'1,318"',
            b"",
            b" \t",
            b"\x1a",
            b"1,318\r1,296",
            b"1,x",
            b"1,0x1",
            b"1,2,.5",
            b"1,2,3,4",
            b"\xff",
        ],
    ),
    "users": (
        USERS,
        [b"1", b"4.0", b"7,964982703", b'"8"'],
        [b"userId", b"timestamp,userId", b'"1', b"", b"\x1a", b"1\r2", b"x", b"5E0"],
    ),
    "json lines": (
        JSON_LINES.parser,
        [
            b'{"userId": 1, "movieId": 318}',
            b"[4, 10]",
            b'[4.0, 1e1, "2015-03-09"]',
            b'{"userId": 1, "recommend": 2}',
        ],
        [b"", b" ", b"{", b'"', b"1,318", b"[1]", b"[1, 2]\r[3, 4]", b"\xff"],
    ),
}
EVERY_FORMAT = pytest.mark.parametrize("name", LINES)


def outcomes(parser: BodyParser, body: bytes) -> list[object]:
    """What each record of a batch is read as; for a bad one, what is wrong with it."""
    parsed = parser.lenient(body).whole()
    queries = parsed.queries
    read: dict[int, object] = {}
    for place, message in parsed.faults.items():
        where, _, fault = message.partition(": ")
        assert where.startswith("line ") or "isn't JSON" in where
        read[place] = fault or where.partition(" isn't")[2]
    read |= parsed.questions
    for place, row in zip(parsed.query_places(), range(len(queries)), strict=True):
        seconds = str(queries.timestamp[row])
        read[place] = (int(queries.user_id[row]), int(queries.movie_id[row]), seconds)
    assert sorted(read) == list(range(len(read)))
    return [str(read[place]) for place in range(len(read))]


@EVERY_FORMAT
@given(data=st.data())
def test_a_record_means_the_same_whatever_is_around_it(
    name: str, data: st.DataObject
) -> None:
    parser, good, bad = LINES[name]
    first = data.draw(st.sampled_from(good))
    others = data.draw(st.lists(st.sampled_from(good + bad), max_size=6))
    last = data.draw(st.sampled_from(good))
    end = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    records = [first, *others, last]

    expected = []
    for record in records:
        # A record alone would be a header, or skipped as the last one of its body.
        (_, alone, _) = outcomes(parser, end.join([first, record, last]))
        expected.append(alone)
    assert outcomes(parser, end.join(records)) == expected
    assert outcomes(parser, end.join(records) + end) == expected


@EVERY_FORMAT
@given(data=st.data())
def test_a_batch_may_be_cut_between_any_two_records(
    name: str, data: st.DataObject
) -> None:
    parser, good, bad = LINES[name]
    middle = st.lists(st.sampled_from(good + bad), max_size=3)
    payloads = []
    for _ in range(data.draw(st.integers(1, 4))):
        ends = st.sampled_from(good)
        records = [data.draw(ends), *data.draw(middle), data.draw(ends)]
        payloads.append(b"\n".join(records))
    apart = [outcome for each in payloads for outcome in outcomes(parser, each)]
    assert outcomes(parser, b"\n".join(payloads)) == apart


@EVERY_FORMAT
def test_lines_may_end_in_either_way(name: str) -> None:
    parser, good, _ = LINES[name]
    row = good[0]
    mixed = row + b"\r\n" + row + b"\n" + row + b"\r\n"
    assert outcomes(parser, mixed) == outcomes(parser, row) * 3
    parsed = parser.strict(mixed).whole()
    assert len(parsed.queries) + len(parsed.questions) == 3


@EVERY_FORMAT
def test_a_line_that_ends_in_cr_alone_is_refused(name: str) -> None:
    parser, good, _ = LINES[name]
    row = good[0]
    message = "a line ends in CR alone, expected LF or CRLF: save the file with these"
    for line, body in (
        (1, row + b"\r"),
        (1, row + b"\r" + row + b"\n" + row),
        (2, row + b"\r\n" + row + b"\r"),
        (2, row + b"\n" + row + b"\r\r\n"),
    ):
        with pytest.raises(RequestError, match=f"^line {line}: {message}"):
            parser.strict(body).whole()
        assert (
            parser.lenient(body)
            .whole()
            .faults[line - 1]
            .startswith(f"line {line}: {message}")
        )


@EVERY_FORMAT
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\n \t", b"\n\x1a", b"\x1a"])
def test_blanks_at_the_end_are_no_records(name: str, end: bytes) -> None:
    parser, good, _ = LINES[name]
    for parse in (parser.strict, parser.lenient):
        parsed = parse(good[0] + end).whole()
        assert len(parsed.queries) + len(parsed.questions) == 1
        assert not parsed.faults


@EVERY_FORMAT
def test_a_blank_line_of_a_batch_is_answered(name: str) -> None:
    parser, good, _ = LINES[name]
    parsed = parser.lenient(good[0] + b"\n\n" + good[0]).whole()
    assert parsed.faults == {1: "line 2: the line is blank, expected a row"}
    assert not parser.strict(good[0] + b"\n\n" + good[0]).whole().faults


def test_lines_are_numbered_without_their_ends() -> None:
    assert numbered(b"\xef\xbb\xbf") == []
    assert numbered(b"\n\x1a\r\n") == []
    assert numbered(b"\na\r\r\n") == [(1, b""), (2, b"a\r")]


BYTES_OF_LINES = st.lists(
    st.sampled_from(
        [b"\n", b"\r\n", b"\r", b" ", b"\t\x1a", b"x", b"1,318", b"\xef\xbb\xbf"]
    ),
    max_size=12,
).map(b"".join)


def numbered(
    body: bytes, most_bytes: int = 100, most_lines: int = 100
) -> list[NumberedLine]:
    """All lines, cut in blocks and put together again."""
    blocks = line_blocks(body, most_bytes, most_lines)
    return [line for block in blocks for line in block.numbered()]


def all_lines(body: bytes) -> list[NumberedLine]:
    """The lines in the simplest way."""
    *ended, last = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    texts = [text.removesuffix(b"\r") for text in ended] + [last]
    while texts and not texts[-1].strip(b" \t\x1a"):
        texts.pop()
    return [NumberedLine(number, text) for number, text in enumerate(texts, start=1)]


@given(BYTES_OF_LINES, st.integers(1, 6), st.integers(1, 4))
def test_blocks_of_lines_are_all_lines(
    body: bytes, most_bytes: int, most_lines: int
) -> None:
    assert numbered(body, most_bytes, most_lines) == all_lines(body)
    for block in line_blocks(body, most_bytes, most_lines):
        assert block.n_lines == len(block.lines())
        assert block.n_lines == 1 or block.n_lines <= most_lines
        assert block.n_lines == 1 or len(block.text) <= most_bytes
        assert body[block.start :].startswith(block.text)


@given(BYTES_OF_LINES)
def test_the_first_line_is_the_first_that_is_not_blank(body: bytes) -> None:
    found = first_line(body)
    lines = all_lines(body)
    if found is None:
        assert not lines
        return
    number = found.line.number
    assert found.line == next(line for line in lines if not line.is_blank)
    before = cut_at_lines(body, found.before)
    behind = cut_at_lines(body, found.behind)
    around = [line for block in (*before, *behind) for line in block.numbered()]
    assert around == lines[: number - 1] + lines[number:]


def test_a_line_is_checked() -> None:
    check_line(1, b"1,318")
    with pytest.raises(RequestError, match="line 7: the line is blank"):
        check_line(7, b" \t")
    with pytest.raises(RequestError, match="line 7: a line ends in CR alone"):
        check_line(7, b"1,318\r")
