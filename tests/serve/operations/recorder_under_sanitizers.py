"""Run by test_recorder under the sanitizers: recorders of any layout, requests of any
kind. Arguments: a directory with the extension that is watched, and a seed.

What has to hold: nothing that a recorder is given, however wrong, leads it outside of
its cells or of its text.
"""

from __future__ import annotations

import random
import sys
import warnings
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any

directory = Path(sys.argv[1])
rng = random.Random(int(sys.argv[2]))
sys.path.insert(0, str(directory))

from serve.operations import _recorder  # noqa: E402 - the one that is watched

assert Path(_recorder.__file__ or "").is_relative_to(directory)

N_RECORDERS = 1000
N_REQUESTS = 30
NUMBERS = [-(2**63), -(2**31), -1, 0, 1, 2, 15, 16, 200, 499, 599, 600, 2**31]
NUMBERS.append(2**63 - 1)
SECONDS = [-1e300, -1.0, 0.0, 1e-9, 0.5, 1e9, 1e300, float("inf"), float("nan")]
warnings.simplefilter("ignore")  # numbers that are cut to fit a status
JUNK: list[Any] = [None, 0, -1, b"", "x", (), (1,), ("x",), {}, [], object]


class Tally(_recorder.Counts):
    __slots__ = ()


def cells_of(count: int) -> Any:
    cells = memoryview(array("d", bytes(8 * count)))
    match rng.randrange(12):
        case 0:
            return cells[::2]
        case 1:
            return cells.cast("B")
        case 2:
            return cells.toreadonly()
        case _:
            return cells


def names(count: int) -> tuple[str, ...]:
    return tuple("r" * rng.choice([0, 1, 5, 28, 29]) for _ in range(count))


def id_of(header: bytes) -> Any:
    return rng.choice([None, b"", b'"a"', b"x" * 10_000, "text", header])


def arguments() -> dict[str, Any]:
    """Mostly such as a recorder takes."""
    n_bounds = rng.choice([0, 1, 17, 64, 64, 65])
    n_statuses = rng.choice([0, 1, 20])
    n_routes = rng.choice([0, 1, 5, 16, 16, 17])
    statuses = tuple(rng.choice([200, 400, 499, 599]) for _ in range(n_statuses))
    first_request = 14 + n_bounds + 1
    log = (
        "p" * rng.choice([0, 8, 32, 32, 33]),
        "headers",
        b"id",
        id_of,
        rng.choice([0, 1]),
    )
    given = {
        "cells": cells_of(
            first_request + n_routes * n_statuses - rng.choice([0, 0, 0, 1])
        ),
        "first_bucket": 14,
        "bounds": tuple(sorted(rng.uniform(0, 60) for _ in range(n_bounds))),
        "first_request": first_request,
        "statuses": statuses,
        "routes": names(n_routes),
        "paths": {"/": 0, "/1": 1, "/x": rng.choice([-1, 5, 2**63, "x"])},
        "route_of": lambda path: rng.choice([0, 1, len(path), -1, 2**70, None]),
        "log": rng.choice([None, log]),
        "counts_type": Tally,
    }
    if rng.random() < 0.3:
        name = rng.choice(list(given))
        given[name] = rng.choice([*JUNK, *NUMBERS])
    return given


def scope() -> Any:
    headers: Any = rng.choice([{}, {b"id": b"a"}, {b"id": b"a"}, None, []])
    found = {"path": rng.choice(["/", "/", "/1", "/x", "/y", None]), "headers": headers}
    if rng.random() < 0.1:
        del found[rng.choice(list(found))]
    return found if rng.random() < 0.95 else rng.choice(JUNK)


def spoil(tally: Tally) -> None:
    for name in ("status", "refused", "predictions", "questions", "unknown_rows"):
        if rng.random() < 0.3:
            with suppress(OverflowError, TypeError):
                setattr(tally, name, rng.choice(NUMBERS))
    if rng.random() < 0.5:
        tally.status = 200
    if rng.random() < 0.3:
        tally.began = rng.choice(SECONDS)
        tally.ended = rng.choice(SECONDS)
    with suppress(OverflowError, TypeError, ValueError):
        unknown: Any = rng.choice([None, (1, 1, 0), (1, 2), JUNK])
        tally.count_predicted(rng.choice([0, 1, 2]), unknown)


EXPECTED = (OverflowError, TypeError, ValueError, BufferError)

n_made = n_recorded = 0
for _ in range(N_RECORDERS):
    with suppress(*EXPECTED):
        recorder: Any = _recorder.Recorder(**arguments())
        n_made += 1
        for _ in range(N_REQUESTS):
            with suppress(*EXPECTED):
                tally = recorder.begin()
                spoil(tally)
                recorder.count(tally, rng.choice([0, 0, *NUMBERS]))
            with suppress(*EXPECTED):
                tally = recorder.begin()
                spoil(tally)
                recorder.over(rng.choice([tally] * 9 + JUNK[:1]), scope())
                n_recorded += 1
            if rng.random() < 0.1:
                assert isinstance(recorder.take_lines(), bytes)
assert n_made > N_RECORDERS / 10
assert n_recorded > n_made
print("done")
