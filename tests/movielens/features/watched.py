"""Run by test_kernels with an extension that the sanitizers watch: rows of any number,
threads, and tables that a broken or hostile file may have.

Arguments: the directory of the watched package and of ``spec.npz``, and a seed.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

directory = Path(sys.argv[1])
seed = int(sys.argv[2])
sys.path.insert(0, str(directory))

import numpy as np  # noqa: E402 - after the path
from numpy.typing import NDArray  # noqa: E402

from movielens.features import _kernels  # noqa: E402 - the watched one
from movielens.features.factors import square_width  # noqa: E402
from movielens.features.kernels import KernelInput, make_row_maker  # noqa: E402
from movielens.features.spec_arrays import spec_from_arrays  # noqa: E402

assert Path(_kernels.__file__ or "").is_relative_to(directory)

N_BROKEN = 1000
# Integers and times at which arithmetic may go wrong.
INTEGERS = [-(2**63), -1, 0, 1, 2, 255, 2**31 - 1, 2**31, 2**62, 2**63 - 1]
TIMES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e308, -1e308, 2.0**63]

with np.load(directory / "spec.npz") as archive:
    spec = spec_from_arrays(dict(archive))
shared = spec.shared_tables()
groups = spec.kernel_inputs()
rng = np.random.default_rng(seed)
ids = np.concatenate(
    [spec.users.ids, spec.movies.movie_id, [0, -1, 2**63 - 1, -(2**63)]]
)
times = np.concatenate([spec.profiles.time, TIMES])


def ask(maker: _kernels.RowMaker, n_rows: int) -> None:
    """Rows of random ids and times, together, backwards and one by one."""
    rng = np.random.default_rng(n_rows)
    user_id, movie_id = rng.choice(ids, (2, n_rows))
    time = rng.choice(times, n_rows)
    out = np.empty((n_rows, len(spec.names)), dtype=np.float32)
    maker.transform_into(user_id, movie_id, time, out)
    backwards = np.sort(user_id)[::-1]
    with_steps = np.repeat(time, 2)[::2]
    maker.transform_into(backwards, movie_id, with_steps, out)
    for i in range(n_rows):
        one = slice(i, i + 1)
        maker.transform_into(user_id[one], movie_id[one], time[one], out[one])


def broken(array: NDArray[Any]) -> Any:
    """The same with other numbers in it, of another type or shape, or no array."""
    match rng.integers(8):
        case 0:
            return array[: rng.integers(len(array) + 1)]
        case 1:
            return array.astype(rng.choice(["f4", "f8", "i4", "i8", "u1", ">f4", "i2"]))
        case 2:
            return array[::2] if rng.random() < 0.5 else array[None]
        case 3:
            return [b"1234", "abc", 5][rng.integers(3)]
        case _:
            return with_hostile_numbers(array)


def with_hostile_numbers(array: NDArray[Any]) -> NDArray[Any]:
    changed = array.copy()
    if not changed.size:
        return changed
    places = rng.integers(changed.size, size=1 + changed.size // 20)
    if changed.dtype.kind == "f":
        changed.reshape(-1)[places] = rng.choice(times)
    else:
        numbers = rng.choice(np.array(INTEGERS, dtype=np.int64), len(places))
        changed.reshape(-1)[places] = numbers.astype(changed.dtype)
    return changed


def ask_if_accepted(shared: dict[str, Any], groups: list[KernelInput]) -> None:
    """Tables may be refused; if they aren't, no row may misbehave."""
    with suppress(ValueError):
        ask(make_row_maker(shared, groups), 40)


def check_threads() -> None:
    maker = make_row_maker(shared, groups)
    threads = [
        threading.Thread(target=ask, args=(maker, n_rows))
        for n_rows in (0, 1, 2, 15, 16, 17, 300)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check_constant_tables() -> None:
    """Each table of whole numbers full of each of the numbers."""
    for place, group in enumerate(groups):
        for name, table in group.tables.items():
            if table.dtype.kind == "f":
                continue
            for number in INTEGERS:
                full = np.full_like(table, np.array(number).astype(table.dtype))
                changed = list(groups)
                changed[place] = group._replace(tables=group.tables | {name: full})
                ask_if_accepted(shared, changed)


def with_a_broken_table(tables: dict[str, Any]) -> dict[str, Any]:
    if not tables:
        return tables
    name = str(rng.choice(sorted(tables)))
    return tables | {name: broken(tables[name])}


def with_other_names(group: KernelInput) -> KernelInput:
    n_names = int(rng.integers(2 * len(group.names)))
    names = (*group.names, *group.names)[:n_names]
    return group._replace(names=names)


def check_broken_tables() -> None:
    for _ in range(N_BROKEN):
        some_shared: dict[str, Any] = dict(shared)
        some_groups = list(groups)
        n_changes = int(rng.integers(1, 3))
        # One place more than there are groups: that of the shared tables.
        places = rng.choice(len(groups) + 1, n_changes, replace=False).tolist()
        for place in places:
            if place == len(groups):
                some_shared = with_a_broken_table(shared)
            else:
                group = groups[place]
                tables = with_a_broken_table(group.tables)
                some_groups[place] = group._replace(tables=tables)
        if rng.random() < 0.05:
            place = int(rng.integers(len(groups)))
            some_groups[place] = with_other_names(some_groups[place])
        ask_if_accepted(some_shared, some_groups)


N_ITEMS = 9
N_RATERS = 5
N_RATINGS = 30


def starts(n: int) -> NDArray[np.int64]:
    """Where each of ``n`` begins among the ratings, and where the last one ends."""
    inner = rng.integers(0, N_RATINGS + 1, n - 1)
    return np.sort(np.append(inner, [0, N_RATINGS]))


def some_range() -> tuple[int, int]:
    """Rows that may not be there, or end before they begin."""
    first, end = rng.choice([-(2**62), -1, 0, 1, 5, N_ITEMS, N_ITEMS + 1, 2**62], 2)
    return int(first), int(end)


# Each check asks with sound tables first. If a kernel refused even those, broken ones
# would test nothing.


def check_most_similar() -> None:
    ratings: dict[str, Any] = {
        "item_start": starts(N_ITEMS),
        "rater": rng.integers(0, N_RATERS, N_RATINGS).astype(np.int32),
        "opinion": rng.normal(size=N_RATINGS).astype(np.float32),
        "rater_start": starts(N_RATERS),
        "item": rng.integers(0, N_ITEMS, N_RATINGS).astype(np.int32),
        "opinion_of_item": rng.normal(size=N_RATINGS).astype(np.float32),
        "shrinkage": np.ones(1, dtype=np.float32),
        "norm_shrinkage": np.ones(1, dtype=np.float32),
    }
    most_similar = {
        "neighbour": np.zeros((N_ITEMS, 3), np.int32),
        "similarity": np.zeros((N_ITEMS, 3), np.float32),
    }
    _kernels.find_most_similar(ratings, most_similar, 0, N_ITEMS)
    for _ in range(N_BROKEN):
        name = str(rng.choice(sorted(ratings)))
        shape = (N_ITEMS + int(rng.integers(3)), int(rng.integers(5)))
        found: dict[str, Any] = {
            "neighbour": np.zeros(shape, np.int32),
            "similarity": np.zeros(shape, np.float32),
        }
        bad = ratings | {name: broken(ratings[name])}
        with suppress(ValueError):
            _kernels.find_most_similar(bad, found, 0, N_ITEMS)
        with suppress(ValueError):
            _kernels.find_most_similar(ratings, found, *some_range())


def check_vectors() -> None:
    given: dict[str, Any] = {
        "start": starts(N_ITEMS),
        "other": rng.integers(0, N_RATERS, N_RATINGS).astype(np.int32),
        "rating": rng.normal(size=N_RATINGS),
        "square": rng.random((N_RATERS, square_width(3))),
        "precision": np.ones(3),
        "shift": np.zeros((N_ITEMS, 3)),
        "noise": np.ones(1),
    }
    vectors = {
        "vector": np.zeros((N_ITEMS, 3)),
        "covariance": np.zeros((N_ITEMS, 6)),
        "unexplained": np.zeros(N_ITEMS),
    }
    _kernels.find_vectors(given, vectors, 0, N_ITEMS)
    for _ in range(N_BROKEN):
        name = str(rng.choice(sorted(given)))
        found: dict[str, Any] = {
            "vector": np.zeros((N_ITEMS, int(rng.integers(2, 4)))),
            "covariance": np.zeros((N_ITEMS, 6)),
            "unexplained": np.zeros(N_ITEMS),
        }
        bad = given | {name: broken(given[name])}
        with suppress(ValueError):
            _kernels.find_vectors(bad, found, 0, N_ITEMS)
        with suppress(ValueError):
            _kernels.find_vectors(given, found, *some_range())


def check_squares() -> None:
    vectors: dict[str, Any] = {
        "vector": rng.normal(size=(N_ITEMS, 3)),
        "covariance": np.zeros((N_ITEMS, 6)),
    }
    width = square_width(3)
    _kernels.square_vectors(vectors, {"square": np.zeros((N_ITEMS, width))}, 0, N_ITEMS)
    for _ in range(N_BROKEN):
        name = str(rng.choice(sorted(vectors)))
        n_elements = int(rng.choice([0, width // 2, width - 1, width, 2 * width]))
        squares = {"square": np.zeros((N_ITEMS, n_elements))}
        bad = vectors | {name: broken(vectors[name])}
        with suppress(ValueError):
            _kernels.square_vectors(bad, squares, 0, N_ITEMS)
        with suppress(ValueError):
            _kernels.square_vectors(vectors, squares, *some_range())


N_USERS = 11
N_TERMS = 4
N_PAIRS = 10


def check_regressions() -> None:
    start = np.sort(rng.integers(0, N_RATINGS + 1, N_USERS + 1))
    given: dict[str, Any] = {
        "first": start[:-1].copy(),
        "end": start[1:].copy(),
        "movie": rng.integers(0, N_ITEMS, N_RATINGS),
        "residual": rng.normal(size=N_RATINGS),
        "terms": rng.normal(size=(N_ITEMS, N_TERMS)),
    }
    sums: dict[str, Any] = {
        "square": np.zeros((N_USERS, N_PAIRS)),
        "product": np.zeros((N_USERS, N_TERMS)),
    }
    variance: dict[str, Any] = {"variance": np.ones(N_TERMS + 1)}
    found: dict[str, Any] = {
        "weight": np.zeros((N_USERS, N_TERMS)),
        "covariance": np.zeros((N_USERS, N_PAIRS)),
        "away": np.zeros(N_USERS),
    }
    weights = {name: found[name] for name in ("weight", "covariance")}
    fits: dict[str, Any] = {
        "expected": np.zeros(N_RATINGS),
        "spread": np.zeros(N_RATINGS),
    }
    _kernels.sum_moments(given, sums)
    _kernels.find_weights(sums, variance, found)
    _kernels.find_fits(given, weights, fits)
    for _ in range(N_BROKEN):
        with suppress(ValueError):
            _kernels.sum_moments(with_a_broken_table(given), sums)
        with suppress(ValueError):
            _kernels.sum_moments(given, with_a_broken_table(sums))
        with suppress(ValueError):
            _kernels.find_weights(with_a_broken_table(sums), variance, found)
        with suppress(ValueError):
            _kernels.find_weights(sums, with_a_broken_table(variance), found)
        with suppress(ValueError):
            _kernels.find_weights(sums, variance, with_a_broken_table(found))
        with suppress(ValueError):
            _kernels.find_fits(with_a_broken_table(given), weights, fits)
        with suppress(ValueError):
            _kernels.find_fits(given, with_a_broken_table(weights), fits)
        with suppress(ValueError):
            _kernels.find_fits(given, weights, with_a_broken_table(fits))


check_threads()
check_constant_tables()
check_broken_tables()
check_most_similar()
check_vectors()
check_squares()
check_regressions()
print("done")
