"""The default hyperparameters, untouched, on other MovieLens sets and beside others.

``python -m benchmarks.sets [SET ...] [SPLIT ...] [-- NAME,...]`` measures those, or
else all. ML-100K has five whole stars; the other set has half stars, like
ml-latest-small.

The licences of the sets forbid passing them on, so they aren't in the repository.
Packages that have copies are fetched (`benchmarks.set_files`), and what is read from
them is kept in ``build/bench/sets``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.accuracy import SPLITS
from benchmarks.data import read_data
from benchmarks.recommending import chosen, measure, recommender_table
from benchmarks.results import BENCH, ROOT, console, save
from benchmarks.set_files import SETS
from movielens.readers import Dataset

PYTHON = ROOT / ".venv-sets" / "bin" / "python"


def fetch(name: str, directory: Path) -> Dataset:
    """A set, fetched unless ``directory`` has it.

    Raises:
        subprocess.CalledProcessError: if it can't be fetched or read.
    """
    if not (directory / "movies.csv").exists():
        directory.mkdir(parents=True, exist_ok=True)
        script = ROOT / "benchmarks" / "set_files.py"
        subprocess.run([PYTHON, script, name, directory], check=True)
    return read_data(directory)


def main() -> None:
    """Measure what the command line names, print the tables, write the JSON."""
    wanted, names = chosen()
    sets = [name for name in SETS if name in wanted]
    splits = [split for split in SPLITS if split in wanted]

    screen = console()
    results = {}
    for name in sets or SETS:
        data = fetch(name, BENCH / "sets" / name)
        for split in splits or SPLITS:
            result = measure(split, data, names)
            results[f"{name} {split}"] = result
            screen.print(recommender_table(f"{name}, {split}", result))
    save("sets", results, screen)


if __name__ == "__main__":
    main()
