from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.queries import (
    Pair,
    PairError,
    RecommendationQuery,
    parse_pairs,
    read_pairs,
)

IDS = st.integers(-(2**31), 2**31)


def write(folder: Path, text: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(text)
    return path


@given(st.lists(st.tuples(IDS, IDS, st.none() | IDS), min_size=1))
def test_a_pair_survives_both_of_its_forms(
    rows: list[tuple[int, int, int | None]],
) -> None:
    pairs = [Pair(*row) for row in rows]
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


@pytest.mark.parametrize("text", ["1", "1:2:3:4", "1:x", "1.0:2", ":", "1:", "१:2"])
def test_a_text_that_is_no_pair_is_named(text: str) -> None:
    message = f"'{text}' is no pair of ids, expected userId:movieId"
    with pytest.raises(PairError, match=message):
        parse_pairs(["1:2", text])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("user,movie\n1,2\n", "line 1: the header is"),
        ("userId,movieId\n1,2\n3,x\n", "line 3: '3,x', expected whole numbers"),
        ("1,2\n3\n", "line 2: '3'"),
        ("1,2,3,4\n", "line 1: '1,2,3,4'"),
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
    query = RecommendationQuery(1, 5, genres=("Comedy",), year_from=1990)
    assert query.as_json() == {
        "userId": 1,
        "recommend": 5,
        "genres": ["Comedy"],
        "year_from": 1990,
    }
