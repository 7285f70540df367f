from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.queries import Pair, PairError, parse_pairs, read_pairs

IDS = st.integers(-(2**31), 2**31)


@given(st.lists(st.tuples(IDS, IDS, st.none() | IDS), min_size=1))
def test_pairs_survive_both_forms(rows: list[tuple[int, int, int | None]]) -> None:
    pairs = [Pair(*row) for row in rows]
    assert (
        parse_pairs([pair.as_csv().rstrip(",").replace(",", ":") for pair in pairs])
        == pairs
    )


def test_a_file_with_a_header_may_have_its_columns_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "movieId,rating,timestamp,userId\r\n318,4.0,964982703,1\r\n\r\n296,5.0,,2\r\n"
    )
    assert read_pairs(path) == [Pair(1, 318, 964982703), Pair(2, 296)]


def test_a_file_without_a_header_has_ids_and_maybe_a_timestamp(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,318\n2,296,964982703\n")
    assert read_pairs(path) == [Pair(1, 318), Pair(2, 296, 964982703)]


@pytest.mark.parametrize(
    "text", ["1", "1:2:3:4", "1:x", "1.0:2", ":", "1:", "१:2", "1:2:"]
)
def test_what_is_no_pair_is_named(text: str) -> None:
    if text == "1:2:":
        assert parse_pairs([text]) == [Pair(1, 2)]
        return
    with pytest.raises(PairError, match="expected userId:movieId"):
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
def test_a_fault_of_a_file_has_its_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with pytest.raises(PairError, match=message):
        read_pairs(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PairError, match=r"rows\.csv can't be read"):
        read_pairs(tmp_path / "rows.csv")
