"""Run by test_forest under the sanitizers: real, random and broken forests, rows of
every kind, threads. Arguments: a directory with the extension that is watched and flat
forms, and the widest vectors to use.

What has to hold: no table, however broken, leads the extension outside of its memory,
and rows have the same answers together as one by one.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

directory = Path(sys.argv[1])
vector_bits = int(sys.argv[2])
sys.path.insert(0, str(directory))

import numpy as np  # noqa: E402 - after the path
from numpy.typing import NDArray  # noqa: E402

from movielens.flat_forest import NODE, TREE, parts_of  # noqa: E402
from serve._forest import Forest  # noqa: E402 - the one that is watched

assert Path(sys.modules["serve._forest"].__file__ or "").is_relative_to(directory)

SEEDS = range(8)
BROKEN_FORESTS = 250  # for each seed
RANDOM_FORESTS = 10
NUMBERS = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, 1.0], dtype=np.float32
)
NEVER_CUT = 10**6
# Of trees, in inner nodes; words of bits are full or just not so.
SIZES = [0, 1, 7, 15, 31, 32, 63, 64, 127, 128, 300]
SMALL_SIZES = [0, 1, 2, 3, 5]

Tables = dict[str, Any]


def make(tables: Tables, cut_rows: int) -> Forest:
    return Forest(**tables, cut_rows=cut_rows, vector_bits=vector_bits)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def tables_of(name: str) -> Tables:
    parts = parts_of((directory / name).read_bytes())
    return {
        "base_margins": parts.base_margins,
        "trees": parts.trees,
        "nodes": parts.nodes,
        "n_features": parts.n_features,
        "softmax": parts.softmax,
    }


def random_rows(
    rng: np.random.Generator, forest: Forest, n_rows: int
) -> NDArray[np.float32]:
    """Rows that agree in the first columns, so that there is something to cut."""
    shape = (n_rows, forest.n_features)
    rows = rng.choice(NUMBERS, shape)
    rows[:, :4] = rows[:1, :4]
    return rows


def no_answers(forest: Forest, n_rows: int) -> NDArray[np.float32]:
    return np.zeros((n_rows, forest.n_groups), dtype=np.float32)


def ask(rng: np.random.Generator, forest: Forest, n_rows: int) -> None:
    rows = random_rows(rng, forest, n_rows)
    answers = no_answers(forest, n_rows)
    forest.predict_into(rows, answers)
    forest.predict_into(rows, answers, True)


def compare(rng: np.random.Generator, forest: Forest, n_rows: int) -> None:
    """Rows have the same bits together as one by one."""
    rows = random_rows(rng, forest, n_rows)
    together = no_answers(forest, n_rows)
    forest.predict_into(rows, together)

    alone = no_answers(forest, n_rows)
    for row, answer in zip(rows, alone, strict=True):
        forest.predict_into(row, answer)
    assert together.tobytes() == alone.tobytes(), n_rows


# Random forests


def random_tree(
    rng: np.random.Generator, n_features: int, n_inner: int
) -> tuple[NDArray[Any], int]:
    """Nodes in a random order in which children come after their parents, and their
    depth.
    """
    n_nodes = 2 * n_inner + 1
    nodes = np.zeros(n_nodes, dtype=NODE)
    levels = [0]
    leaves = [0]
    for _ in range(n_inner):
        place = int(rng.integers(len(leaves)))
        if rng.random() < 0.3:
            place = -1  # the newest leaf, for deep trees
        node = leaves.pop(place)
        child = len(levels)
        level = levels[node] + 1

        nodes["first"][node] = child - node
        leaves += [child, child + 1]
        levels += [level, level]

    random_keys = rng.integers(2**32, size=9)
    some_keys = np.append([0, 1, 2**31, 2**32 - 1], random_keys)
    some_values = np.array([0.0, -0.0, 1e-45, 1.0, -3.5], dtype=np.float32)
    keys = rng.choice(some_keys, n_nodes)
    values = rng.choice(some_values, n_nodes)
    columns = rng.integers(2 * n_features, size=n_nodes)

    is_inner = nodes["first"] > 0
    nodes["column"] = np.where(is_inner, columns, 2 * n_features)
    nodes["key"] = np.where(is_inner, keys, values.view(np.uint32))
    return nodes, max(levels)


def with_other_leaves(rng: np.random.Generator, nodes: NDArray[Any]) -> NDArray[Any]:
    """A copy of a tree, whose leaves are those of the tree in another order."""
    others = nodes.copy()
    is_leaf = nodes["first"] == 0
    others["key"][is_leaf] = rng.permutation(nodes["key"][is_leaf])
    return others


def random_tables(rng: np.random.Generator, sizes: list[int]) -> Tables:
    """A forest whose trees have some of these numbers of inner nodes."""
    n_features = int(rng.choice([1, 2, 7, 40]))
    n_groups = int(rng.choice([1, 2, 5, 40]))
    n_trees = int(rng.choice([0, 1, 2, 5, 40]))
    trees = np.zeros(n_trees, dtype=TREE)
    trees["group"] = rng.integers(n_groups, size=n_trees)
    # With many, there are copies for all groups, which are walked together.
    share_of_copies = rng.choice([0, 0.5, 0.95])

    nodes = np.zeros(0, dtype=NODE)
    its_nodes, depth = random_tree(rng, n_features, 0)
    for place, tree in enumerate(trees):
        if place > 0 and rng.random() < share_of_copies:
            its_nodes = with_other_leaves(rng, its_nodes)
            tree["group"] = (trees["group"][place - 1] + 1) % n_groups
        else:
            n_inner = int(rng.choice(sizes))
            its_nodes, depth = random_tree(rng, n_features, n_inner)
        # A tree may say that it is deeper than it is. Bit vectors then seem quicker.
        too_much = int(rng.choice([0, 0, 50]))
        tree["root"] = len(nodes)
        tree["depth"] = depth + too_much
        nodes = np.concatenate([nodes, its_nodes])

    base_margins = rng.normal(size=n_groups).astype(np.float32)
    return {
        "base_margins": read_only(base_margins),
        "trees": read_only(trees),
        "nodes": read_only(nodes),
        "n_features": n_features,
        "softmax": bool(rng.integers(2)),
    }


# Broken forests


def break_record(rng: np.random.Generator, table: NDArray[Any]) -> None:
    """Write another number into a tree or a node, or another one over it."""
    place = rng.integers(len(table))
    if rng.random() < 0.3:
        table[place] = rng.choice(table)
        return

    field = str(rng.choice(table.dtype.names or ()))
    end = 2 ** (8 * table.dtype[field].itemsize)
    old = int(table[field][place])
    small_random = int(rng.integers(40))
    random = int(rng.integers(end))

    near = [old - 1, old + 1, old + 2, 2 * old]
    small = [0, 1, small_random]
    large = [random, end // 2, end - 2, end - 1]
    number = int(rng.choice(near + small + large))
    table[field][place] = number % end


def broken(rng: np.random.Generator, whole: Tables) -> Tables:
    tables = dict(whole)
    for _ in range(rng.integers(1, 3)):
        name = str(rng.choice(["trees", "nodes", "nodes", "base_margins", "features"]))
        if name == "features":
            near = whole["n_features"] + int(rng.integers(-2, 3))
            tables["n_features"] = int(rng.choice([near, 0, -1, 2**15 - 1, 2**62]))
            continue

        table = whole[name].copy()
        length = rng.integers(len(table) + 1)
        match rng.integers(10):
            case 0:
                table = table[:length]
            case 1:
                table = np.concatenate([table, table[:length]])
            case 2:
                table = table[::2]
            case 3:
                table = table.view(np.uint8)
            case _ if name != "base_margins" and len(table):
                for _ in range(rng.integers(1, 4)):
                    break_record(rng, table)
        is_writable = rng.random() < 0.02
        tables[name] = table if is_writable else read_only(table)
    return tables


def try_broken_forests(rng: np.random.Generator) -> int:
    """Returns how many of them the extension took for forests."""
    real = tables_of("small.bin")
    n_taken = 0
    for _ in range(BROKEN_FORESTS):
        is_real = rng.random() < 0.2
        whole = real if is_real else random_tables(rng, SMALL_SIZES)
        cut_rows = int(rng.choice([0, NEVER_CUT]))
        try:
            forest = make(broken(rng, whole), cut_rows)
        except (ValueError, BufferError):
            continue
        n_taken += 1
        ask(rng, forest, int(rng.choice([1, 33])))
    return n_taken


def run(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name in ("small.bin", "large.bin"):
        for cut_rows in (0, NEVER_CUT):
            forest = make(tables_of(name), cut_rows)
            compare(rng, forest, 50)
    for _ in range(RANDOM_FORESTS):
        cut_rows = int(rng.choice([0, NEVER_CUT]))
        forest = make(random_tables(rng, SIZES), cut_rows)
        compare(rng, forest, int(rng.integers(70)))

    n_taken = try_broken_forests(rng)
    assert 0 < n_taken < BROKEN_FORESTS
    print(f"seed {seed}: {n_taken} of {BROKEN_FORESTS} broken forests were taken")


def ask_in_threads() -> None:
    forest = make(tables_of("small.bin"), 33)
    threads = [
        threading.Thread(target=ask, args=(np.random.default_rng(n), forest, n))
        for n in (0, 1, 8, 16, 17, 32, 33, 70, 256, 300)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


for seed in SEEDS:
    print(f"seed {seed}", file=sys.stderr, flush=True)
    run(seed)
ask_in_threads()
forest = make(tables_of("small.bin"), NEVER_CUT)
with suppress(ValueError):
    forest.predict_into(b"1234", bytearray(3))
with suppress(BufferError):
    forest.predict_into(b"", b"")
del forest
gc.collect()
print("done")
