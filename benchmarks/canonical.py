"""ML-100K's own splits, on which most published figures are.

``python -m benchmarks.canonical DIRECTORY`` measures u1 with the default
hyperparameters, and ``--splits u2 ua`` others. The directory has the files of
GroupLens's ``ml-100k.zip``: ``u1.base`` to train on, ``u1.test`` to predict, and
``u.item``, the movies. Its licence forbids passing it on, so fetch it from GroupLens.

The tables are those of `benchmarks.accuracy`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.accuracy import accuracy_table, measure_split
from benchmarks.data import read_data
from benchmarks.results import console, save
from movielens.readers import Dataset
from train.hyperparameters import Hyperparameters
from train.split import Split

NAMES = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")
MOVIES = "u.item"


def read_split(directory: Path, name: str) -> tuple[Dataset, Split]:
    """A split as its two files have it, each read as a job reads a channel.

    Returns:
        The training rows with all movies, and the split.

    Raises:
        FileNotFoundError: naming the files that the directory lacks.
    """
    files = {part: f"{name}.{part}" for part in ("base", "test")}
    missing = [
        file for file in (*files.values(), MOVIES) if not (directory / file).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            f"{directory} lacks {', '.join(missing)}: put there what ml-100k.zip of "
            "https://grouplens.org/datasets/movielens/100k has"
        )

    parts = {}
    for part, file in files.items():
        # A channel has no other ratings.
        with tempfile.TemporaryDirectory() as channel:
            for each in (file, MOVIES):
                shutil.copy(directory / each, channel)
            parts[part] = read_data(Path(channel))
    return parts["base"], Split(parts["base"].ratings, parts["test"].ratings)


def main() -> None:
    """Measure what the command line names, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--splits", nargs="+", choices=NAMES, default=["u1"])
    arguments = parser.parse_args()

    hyperparameters = Hyperparameters(nthread=1)
    screen = console()
    results = {}
    for name in arguments.splits:
        try:
            data, split = read_split(arguments.directory, name)
        except FileNotFoundError as error:
            sys.exit(str(error))
        results[name] = measure_split(split, data, hyperparameters)
        screen.print(accuracy_table(name, results[name]))
    save("canonical", results, screen)


if __name__ == "__main__":
    main()
