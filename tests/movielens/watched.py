"""Run by test_rows under the sanitizers: plans whole and broken, rows of every number,
threads.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

directory = Path(sys.argv[1])
sys.path.insert(0, str(directory))

import numpy as np  # noqa: E402 - after the path

from movielens.features import FeatureSpec, _rows  # noqa: E402 - the one built beside the arguments

assert Path(_rows.__file__ or "").is_relative_to(directory)
with np.load(directory / "spec.npz") as archive:
    spec = FeatureSpec.from_arrays(dict(archive))
rng = np.random.default_rng(0)
IDS = np.concatenate(
    [spec.users.ids, spec.movies.movie_id, [0, -1, 2**63 - 1, -(2**63)]]
)
TIMES = np.concatenate(
    [
        spec.profiles.time,
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e308, -1e308, 2.0**63],
    ]
)
# What a broken file may say.
NUMBERS = [-(2**63), -1, 0, 1, 2, 255, 2**31 - 1, 2**31, 2**62, 2**63 - 1]


def ask(plan: _rows.Plan, n_rows: int, n_columns: int) -> None:
    rng = np.random.default_rng(n_rows)
    ids, times = rng.choice(IDS, (2, n_rows)), rng.choice(TIMES, n_rows)
    out = np.empty((n_rows, n_columns), dtype=np.float32)
    plan.transform_into(ids[0], ids[1], times, out)
    plan.transform_into(np.sort(ids[0])[::-1], ids[1], np.repeat(times, 2)[::2], out)
    for user_id, movie_id, time in zip(*ids.tolist(), times.tolist(), strict=True):
        plan.transform_row(user_id, movie_id, time, out[:1])


def broken(array: np.ndarray[Any, Any]) -> Any:
    """The same with other numbers in it, of another type or shape, or nothing of the
    kind.
    """
    match rng.integers(8):
        case 0:
            return array[: rng.integers(len(array) + 1)]
        case 1:
            return array.astype(rng.choice(["f4", "f8", "i4", "i8", "u1", ">f4", "i2"]))
        case 2:
            return array[::2] if rng.random() < 0.5 else array[None]
        case 3:
            return rng.choice([b"1234", "abc", 5])  # type: ignore[arg-type]
        case _:
            array = array.copy()
            place = rng.integers(array.size, size=1 + array.size // 20)
            some = rng.choice(np.array(NUMBERS, dtype=np.int64), len(place))
            array.reshape(-1)[place] = (
                some.astype(array.dtype)
                if array.dtype.kind != "f"
                else rng.choice(TIMES)
            )
            return array


threads = [
    threading.Thread(target=ask, args=(spec._plan, n, len(spec.names)))
    for n in (0, 1, 2, 15, 16, 17, 300)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

known, groups = spec.tables()
whole = [known, *(arrays for _, _, arrays in groups)]
for _ in range(3000):  # whatever the tables are, a plan is refused or stays within them
    tables = [dict(arrays) for arrays in whole]
    counts = [count for _, count, _ in groups]
    for _ in range(rng.integers(1, 3)):
        some = rng.integers(len(tables))
        if whole[some]:
            name = rng.choice(sorted(whole[some]))
            tables[some][name] = broken(whole[some][name])
    if rng.random() < 0.05:
        counts[rng.integers(len(counts))] = rng.integers(-1, 2**40)
    with suppress(ValueError):
        plan = _rows.Plan(
            tables[0],
            tuple(
                (n, c, t)
                for (n, _, _), c, t in zip(groups, counts, tables[1:], strict=True)
            ),
        )
        ask(plan, 40, len(spec.names))

n_items, n_raters, n_ratings = 9, 5, 30
start = [
    np.sort(np.append(rng.integers(0, n_ratings + 1, n - 1), [0, n_ratings]))
    for n in (n_items, n_raters)
]
ratings: dict[str, Any] = {
    "item_start": start[0],
    "rater": rng.integers(0, n_raters, n_ratings).astype(np.int32),
    "opinion": rng.normal(size=n_ratings).astype(np.float32),
    "rater_start": start[1],
    "item": rng.integers(0, n_items, n_ratings).astype(np.int32),
    "its_opinion": rng.normal(size=n_ratings).astype(np.float32),
    "shrinkage": np.ones(1, dtype=np.float32),
}
for _ in range(3000):
    name, shape = (
        rng.choice(sorted(ratings)),
        (n_items + rng.integers(3), rng.integers(5)),
    )
    likest: dict[str, Any] = {
        "neighbour": np.zeros(shape, np.int32),
        "likeness": np.zeros(shape, np.float32),
    }
    with suppress(ValueError):
        _rows.find_likest(ratings | {name: broken(ratings[name])}, likest)
    with suppress(ValueError):
        _rows.find_likest(ratings, likest)

given: dict[str, Any] = {
    "start": start[0],
    "other": ratings["rater"],
    "rating": rng.normal(size=n_ratings),
    "vector": rng.normal(size=(n_raters, 3)),
    "covariance": np.zeros((n_raters, 6)),
    "precision": np.ones(3),
    "shift": np.zeros((n_items, 3)),
    "noise": np.ones(1),
}
for _ in range(3000):
    name, shape = rng.choice(sorted(given)), (n_items, rng.integers(2, 4))
    found: dict[str, Any] = {
        "vector": np.zeros(shape),
        "covariance": np.zeros((n_items, 6)),
        "left": np.zeros(n_items),
    }
    with suppress(ValueError):
        _rows.find_vectors(given | {name: broken(given[name])}, found)
del spec
gc.collect()
print("done")
