"""Pairs from the command line and from files, as the server would read them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher import queries
from launcher.queries import (
    Filters,
    OnboardingQuery,
    Pair,
    PairError,
    RecommendationQuery,
    parse_pairs,
    parse_ratings,
    read_pairs,
)
from movielens.errors import RequestError
from movielens.grammar import parse_time
from serve import fields
from serve.formats.csv_format import CSV

IDS = st.integers(queries.ID_MIN, queries.ID_MAX)
TIMES = st.integers(0, 2**32 - 1) | st.floats(0, 2**32, exclude_max=True)


def mostly(good: Sequence[str], bad: Sequence[str]) -> st.SearchStrategy[str]:
    """Texts of which one in twenty is bad."""
    return st.sampled_from([*(list(good) * (1 + 20 * len(bad) // len(good))), *bad])


# The bad ones are what one reader or another might take.
ID_CELLS = mostly(
    [
        *("1", "318", "0", "-7", "+5", "1.0", "2.00", "3.", "007", " 12 ", "\t3"),
        *(str(queries.ID_MAX), str(queries.ID_MIN)),
    ],
    [
        *(str(queries.ID_MAX + 1), "0x1", ".5", "1.5", "1e3", "", "x", "userId"),
        *("१", "1_0", "nan", "1\x1d", "1\n", "- 1", "--1"),
    ],
)
TIME_CELLS = mostly(
    [
        *("", "964982703", "0", "7.25", " 7 ", "+7", "4294967295", "1.", "  "),
        *("2015-03-09", "2015-03-09T18:53:20Z", "2015-03-09 18:53"),
    ],
    [
        *("4294967296", "964982703000", "-1", "5e3", ".5", "nan", "inf", "x"),
        *("2015-13-01", "2015-W01", "1969-12-31", "१", "1_0", "7\x1f", "\n", "7\r\n"),
    ],
)
CELLS = {"userId": ID_CELLS, "movieId": ID_CELLS, "timestamp": TIME_CELLS}
TITLES = st.sampled_from(["", "GoldenEye", "a,b", 'say "a"', "two\nlines", "\x1d", "ä"])
HEADERS = mostly(
    [
        "movieId,userId",
        "userId,title,movieId,timestamp",
        " timestamp ,movieId,\tuserId",
        "movieId,rating,userId",
    ],
    [
        "userId,movieId,userId",
        "userId,movieId,title,title",
        "userId,timestamp",
        "userid,movieid",
        "user,movie,rating",
    ],
)
LINE_ENDS = mostly(
    ["\n", "\r\n", "\n\n", "\n \r\n", '\n""\n', '\n" "\n'], ["\r", '\n"\n"\n']
)
LAST_LINES = st.sampled_from(["", "", "\n", " ", "\x1a", "\t\x1a\n"])


def quoted(cell: str) -> str:
    escaped = cell.replace('"', '""')
    return f'"{escaped}"'


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    """CSV that may be good or bad in any of the ways that files are."""
    header = draw(st.none() | HEADERS)
    if header is None:
        names = list(queries.COLUMNS[: draw(st.integers(2, 3))])
        lines = []
    else:
        names = [name.strip() for name in header.split(",")]
        lines = [header]
    for _ in range(draw(st.integers(1, 4))):
        cells = []
        for name in names:
            cell = draw(CELLS.get(name, TITLES))
            needs_quotes = any(sign in cell for sign in ',"\n')
            if needs_quotes or draw(st.booleans()):
                cell = quoted(cell)
            cells.append(cell)
        change = draw(mostly(["none"], ["wider", "open", "torn"]))
        if change == "wider":
            cells.append("extra")
        elif change == "open":
            cells[-1] = '"open'
        elif change == "torn":
            cells[0] = '"1"2'
        lines.append(",".join(cells))
    text = "".join(line + draw(LINE_ENDS) for line in lines[:-1])
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark + text + lines[-1] + "\n" + draw(LAST_LINES)


def launcher_rows(text: str) -> list[Pair] | None:
    """What the launcher reads from a file; None if it refuses the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(text.encode())
        try:
            return read_pairs(path)
        except PairError:
            return None


def server_rows(text: str) -> list[Pair] | None:
    """What the server reads from the same text; None if it refuses it."""
    try:
        asked = CSV.parser.strict(text.encode()).whole().queries
    except RequestError:
        return None
    columns = (asked.user_id, asked.movie_id, asked.timestamp)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Pair(user, movie, None if math.isnan(when) else when)
        for user, movie, when in rows
    ]


@given(csv_texts())
def test_the_launcher_and_the_server_read_the_same_rows(text: str) -> None:
    assert launcher_rows(text) == server_rows(text)


@given(st.lists(st.builds(Pair, IDS, IDS, st.none() | TIMES), min_size=1))
def test_the_server_reads_what_the_launcher_sends(pairs: list[Pair]) -> None:
    body = "".join(f"{pair.as_csv()}\n" for pair in pairs)
    assert server_rows(body) == pairs
    assert launcher_rows(body) == pairs


def test_the_ranges_are_the_servers() -> None:
    assert queries.ID_MIN == fields.ID_MIN
    assert queries.ID_MAX == fields.ID_MAX
    assert queries.TIMESTAMP_BOUND == fields.TIMESTAMP_BOUND


def write(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_bytes(text.encode())
    return path


@given(st.lists(st.builds(Pair, IDS, IDS, st.none() | TIMES)))
def test_a_pair_survives_both_of_its_forms(pairs: list[Pair]) -> None:
    lines = [pair.as_csv().rstrip(",") for pair in pairs]
    arguments = [line.replace(",", ":") for line in lines]
    assert parse_pairs(arguments) == pairs


def test_a_file_with_a_header_may_have_its_columns_in_any_order(tmp_path: Path) -> None:
    header = "movieId,rating,timestamp,userId"
    path = write(tmp_path, f"{header}\r\n318,4.0,964982703,1\r\n\r\n296,5.0,,2\r\n")
    assert read_pairs(path) == [Pair(1, 318, 964982703), Pair(2, 296)]


def test_a_file_without_a_header_has_ids_and_perhaps_a_timestamp(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "1,318\n2,296,964982703\n")
    assert read_pairs(path) == [Pair(1, 318), Pair(2, 296, 964982703)]


def test_an_empty_timestamp_is_none() -> None:
    assert parse_pairs(["1:2:"]) == [Pair(1, 2)]


def test_a_pair_may_have_a_date() -> None:
    moment = "2015-03-09T18:53:20Z"
    assert parse_pairs([f"1:2:{moment}"]) == [Pair(1, 2, int(parse_time(moment)))]


def test_whole_floats_are_ids() -> None:
    assert parse_pairs(["1.0:+318"]) == [Pair(1, 318)]


def test_whole_seconds_are_sent_as_a_whole_number() -> None:
    (whole, half) = parse_pairs(["1:2:964982703.0", "1:2:964982703.5"])
    assert whole.as_csv() == "1,2,964982703"
    assert str(whole.as_json()["timestamp"]) == "964982703"
    assert half.as_csv() == "1,2,964982703.5"
    assert Pair(1, 2, 1e-7).as_csv() == "1,2,0.0000001"


@pytest.mark.parametrize("text", ["1", "", "1-318"])
def test_a_text_that_is_no_pair_is_named(text: str) -> None:
    message = f"'{text}' is no pair of ids, expected userId:movieId"
    with pytest.raises(PairError, match=message):
        parse_pairs(["1:2", text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:x", "'1:x': movieId is 'x', expected a whole number of 64 bits"),
        (":", "':': userId is '', expected a whole number"),
        ("१:2", "userId is '१'"),
        ("0x1:2", "userId is '0x1'"),
        ("1.5:2", "userId is '1.5'"),
        ("9223372036854775808:2", "userId is '9223372036854775808'"),
        ("1:2:3:4", "timestamp is '3:4', expected seconds since 1970, from 0 to"),
        ("1:2:964982703000", "timestamp is '964982703000', .* 4294967295, or a date"),
        ("1:" + "2" * 99, "movieId is '2{40}…'"),
    ],
)
def test_a_value_that_the_server_would_refuse_is_named(text: str, message: str) -> None:
    with pytest.raises(PairError, match=message):
        parse_pairs(["1:2", text])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("\ufeff \n\x1a", "has no rows"),
        ("userId,movieId\n\n", "has no rows"),
        ("user,movie\n1,2\n", "line 1: userId is 'user'"),
        ("userId,movie\n1,2\n", "line 1: the header is 'userId,movie', expected"),
        ("userId,movieId,userId\n1,2,3\n", "line 1: the header .*, each once"),
        ("movieId,userId\n1,2\nuserId,movieId\n", "line 3: userId is 'movieId'"),
        ("userId,movieId\n1,2\n\n3,x\n", "line 4: movieId is 'x'"),
        ("userId,movieId\n1,9223372036854775808\n", "line 2: movieId is '9223"),
        ("1,2\n3\n", "line 2: the row is '3', expected userId,movieId"),
        ("1,2,3,4\n", "line 1: the row is '1,2,3,4'"),
        (
            "userId,movieId,title\n1,318,Shawshank, The\n",
            "line 2: the row is '1,318,Shawshank, The', expected 3 fields as in",
        ),
        (
            'userId,movieId,title\n1,318,"Shawshank\n1,296,Pulp Fiction\n',
            "line 2: a quote is left open in the row that begins here",
        ),
        ('1,318\n"2"x,1\n', "line 2: ',' expected after '\"', expected CSV"),
        ("1,318\n1,296\r1,356\n", "line 2: a line ends in CR alone, expected LF"),
        ('1,318\n"\n"\n', r"line 2: the row is '\\n'"),
        ("1,318\r", "line 1: a line ends in CR alone"),
    ],
)
def test_a_fault_of_a_file_is_named_by_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(PairError, match=message):
        read_pairs(path)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PairError, match=r"rows\.csv can't be read"):
        read_pairs(tmp_path / "rows.csv")


def test_only_the_filters_that_were_given_are_sent() -> None:
    assert RecommendationQuery(1).as_json() == {"userId": 1, "recommend": 10}
    query = RecommendationQuery(1, 5, Filters(genres=("Comedy",), year_from=1990))
    assert query.as_json() == {
        "userId": 1,
        "recommend": 5,
        "genres": ["Comedy"],
        "year_from": 1990,
    }


def test_movies_to_rate_are_asked_for_with_what_is_known() -> None:
    assert OnboardingQuery().as_json() == {"onboarding": 10}
    history = parse_ratings(["356:4.5", "318:1"])
    query = OnboardingQuery(3, history, 7, Filters(min_ratings=5))
    assert query.as_json() == {
        "onboarding": 3,
        "userId": 7,
        "history": [{"movieId": 356, "rating": 4.5}, {"movieId": 318, "rating": 1.0}],
        "min_ratings": 5,
    }


@pytest.mark.parametrize("text", ["318", "318:", "x:4", "318:nan", "318:4:5", ":"])
def test_what_is_no_rating_is_refused(text: str) -> None:
    with pytest.raises(PairError, match="is no rating, expected movieId:stars"):
        parse_ratings([text])
