from __future__ import annotations

import numpy as np
import pytest

from movielens.assembly import assemble, drop_duplicates, join
from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.tables import RatingTable
from tests.movielens.samples import MOVIES, RATINGS, RATINGS_HEADER, Write, read, rows

ONE = np.array([1])
NO_ROWS = np.array([], dtype=np.int64)


def one_rating(timestamp: int | None) -> RatingTable:
    times = None if timestamp is None else np.array([timestamp])
    return RatingTable.of(ONE, ONE, np.array([4.0]), times)


def test_of_duplicates_the_later_is_kept_and_the_others_counted(write: Write) -> None:
    lines = ["1,1,4.0,20", "2,1,1.0,5", "1,1,2.0,10", "2,1,3.0,5"]
    ratings = RATINGS_HEADER + "\n".join(lines)
    base = write({"ratings.csv": ratings, "movies.csv": MOVIES})

    data = read(base)
    assert rows(data.ratings) == [(1, 1, 4.0, 20), (2, 1, 3.0, 5)]
    assert data.dropped == {"duplicate": 2}


@pytest.mark.parametrize("seed", [1, 2])
def test_unsorted_ratings_lose_only_duplicates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_rows = 3000
    user = rng.integers(1, 40, n_rows)
    movie = rng.integers(1, 60, n_rows)
    half_stars = rng.integers(1, 11, n_rows)
    time = rng.integers(0, 5, n_rows)

    by_time_then_row = np.lexsort((np.arange(n_rows), time))
    last_row_of_pair: dict[tuple[int, int], int] = {}
    for row in by_time_then_row.tolist():
        last_row_of_pair[int(user[row]), int(movie[row])] = row
    expected = sorted(last_row_of_pair.values())

    table = RatingTable.of(user, movie, half_stars / 2, time)
    kept, n_dropped = drop_duplicates(table)
    assert n_dropped == n_rows - len(expected)
    assert rows(kept) == rows(table.take(np.array(expected)))


def test_without_timestamps_the_lower_row_is_kept() -> None:
    ids = np.array([2, 1, 2])
    stars = np.array([1.0, 2.0, 3.0])
    table = RatingTable.of(ids, ids, stars, timestamp=None)

    kept, n_dropped = drop_duplicates(table)
    assert rows(kept) == [(1, 1, 2.0), (2, 2, 3.0)]
    assert n_dropped == 1


def test_timestamps_in_some_tables_only_are_refused() -> None:
    tables = [("a.csv", one_rating(5)), ("b.csv", one_rating(None))]
    with pytest.raises(DataError, match=r"^b\.csv has no timestamp column"):
        assemble(tables, BadRows())


def test_a_table_without_rows_may_lack_timestamps() -> None:
    empty = one_rating(None).take(NO_ROWS)
    tables = [("a.csv", one_rating(5)), ("b.csv", empty)]
    ratings, dropped = assemble(tables, BadRows())
    assert rows(ratings) == [(1, 1, 4.0, 5)]
    assert dropped == {"duplicate": 0}


def test_no_rows_at_all_are_refused_with_the_first_bad_row() -> None:
    with pytest.raises(DataError, match="what was read has no rows: at least one"):
        assemble([], BadRows())
    bad_rows = BadRows(most=0.5, count=2, first="r.csv line 2: userId is 'x'")
    empty = one_rating(5).take(NO_ROWS)
    with pytest.raises(DataError, match=r"r\.csv has no rows: r\.csv line 2: userId"):
        assemble([("r.csv", empty)], bad_rows)


def test_dropped_bad_rows_are_counted() -> None:
    bad_rows = BadRows(most=0.9, count=3, first="r.csv line 2")
    _, dropped = assemble([("r.csv", one_rating(5))], bad_rows)
    assert dropped == {"duplicate": 0, "bad_row": 3}


def test_shards_with_and_without_timestamps_are_refused(write: Write) -> None:
    without = "userId,movieId,rating\n5,1,4.0\n"
    base = write({"a.csv": RATINGS, "b.csv": without, "movies.csv": MOVIES})
    with pytest.raises(DataError, match=r"^training/b\.csv has no timestamp column"):
        read(base)


def test_tables_without_rows_need_no_timestamps() -> None:
    nothing = RatingTable.of(NO_ROWS, NO_ROWS, NO_ROWS, None)
    timed_nothing = RatingTable.of(NO_ROWS, NO_ROWS, NO_ROWS, NO_ROWS)
    timed, untimed = one_rating(7), one_rating(None)
    assert rows(join([("a", nothing), ("b", timed)])) == rows(timed)
    assert rows(join([("a", timed_nothing), ("b", untimed)])) == rows(untimed)
    assert rows(join([("a", nothing), ("b", timed_nothing)])) == []
