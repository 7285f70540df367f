"""ML-100K's own splits, on which most published figures are.

``python -m benchmarks.canonical DIRECTORY [u1 ...] [NAME=VALUE ...]`` measures those
splits, or else u1, with those hyperparameters, or else the default ones. The directory
has what GroupLens's ``ml-100k.zip`` has: ``u1.base`` to train on, ``u1.test`` to
predict, and ``u.item``, the movies. Its licence forbids passing it on, so you have to
fetch it from GroupLens yourself.

The tables are those of `benchmarks.accuracy`.
"""

from __future__ import annotations

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
    options = [argument for argument in sys.argv[1:] if "=" in argument]
    values = dict(option.split("=", 1) for option in options)
    directory, *names = [each for each in sys.argv[1:] if each not in options] or [""]
    unknown = [name for name in names if name not in NAMES]
    if not directory or unknown:
        sys.exit(__doc__)

    hyperparameters = Hyperparameters.parse({"nthread": "1", **values})
    screen = console()
    results = {}
    for name in names or NAMES[:1]:
        try:
            data, split = read_split(Path(directory), name)
        except FileNotFoundError as error:
            sys.exit(str(error))
        results[name] = measure_split(split, data, hyperparameters)
        screen.print(accuracy_table(name, results[name]))
    save("canonical", results, screen)


if __name__ == "__main__":
    main()
