"""Run by test_forest under the sanitizers: forests whole and broken, rows of every
number, threads.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
from array import array
from contextlib import suppress
from pathlib import Path

directory = Path(sys.argv[1])
sys.path.insert(0, str(directory))

from serve._forest import Forest  # noqa: E402 - the one built beside the arguments

assert Path(sys.modules["serve._forest"].__file__ or "").is_relative_to(directory)
flat = (directory / "forest.bin").read_bytes()
forest = Forest(flat)
numbers = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, 3e38, 1.0]
rng = random.Random(0)


def ask(model: Forest, n_rows: int) -> None:
    features = array("f", rng.choices(numbers, k=n_rows * model.n_features))
    for place in range(
        0, len(features), model.n_features
    ):  # the first columns are the same in all rows
        features[place : place + 4] = features[:4]
    answers = array("f", bytes(4 * n_rows * model.n_groups))
    for margins in (False, True):
        model.predict_into(features, answers, margins)
    for first in (0, 1, 3):  # a broken file may have fewer trees
        with suppress(ValueError):
            model.predict_into(features, answers, True, first, 3)


def compare(model: Forest, n_rows: int) -> None:
    """Rows at once, which have their bits, and one by one, which walk."""
    features = array("f", rng.choices(numbers, k=n_rows * model.n_features))
    answers, answer = (
        array("f", bytes(4 * n_rows * model.n_groups)),
        array("f", bytes(4 * model.n_groups)),
    )
    model.predict_into(features, answers)
    for row in range(n_rows):
        model.predict_into(
            features[row * model.n_features : (row + 1) * model.n_features], answer
        )
        assert (
            answers[row * model.n_groups : (row + 1) * model.n_groups].tobytes()
            == answer.tobytes()
        )


for some in (forest, Forest((directory / "large.bin").read_bytes())):
    compare(some, 50)
    compare(some, 256)
threads = [
    threading.Thread(target=ask, args=(forest, n_rows))
    for n_rows in (0, 1, 8, 16, 17, 32, 33, 70, 256, 300)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
n_nodes = int.from_bytes(flat[24:28], "little")
for _ in range(
    3000
):  # whatever the file says, a forest is refused or walks within itself
    broken = bytearray(flat)
    if rng.random() < 0.5:  # some node's children are others
        broken[len(flat) - 8 * rng.randint(1, n_nodes) + 6] = rng.randrange(1, 40)
    for _ in range(rng.randint(0, 3)):
        broken[
            rng.randrange(len(broken)) if rng.random() < 0.5 else rng.randrange(64)
        ] = rng.randrange(256)
    with suppress(ValueError):
        ask(
            Forest(
                bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])])
            ),
            rng.choice([33, 256]),
        )
with suppress(ValueError):
    forest.predict_into(b"1234", bytearray(3))
with suppress(BufferError):
    forest.predict_into(b"", b"")
del forest
gc.collect()
print("done")
