"""The default recipe, untouched, on other MovieLens sets beside others.

``python -m benchmarks.sets [SET ...] [SPLIT ...]``; all without. ML-100K has five whole
stars, the other set half stars like ours (`benchmarks.set_files`). Their licences
forbid to pass them on, so that they aren't in the repository: packages that have copies
are fetched, and what is read from them lies under ``build/bench/sets``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.accuracy import SPLITS
from benchmarks.recommenders import RECOMMENDERS
from benchmarks.recommending import measure, table
from benchmarks.results import BENCH, ROOT, console, save
from benchmarks.set_files import SETS
from movielens.channel import Channel
from movielens.readers import Dataset, read_dataset

PYTHON = ROOT / ".venv-sets" / "bin" / "python"


def fetch(name: str, directory: Path) -> Dataset:
    """A set, fetched unless ``directory`` has it.

    Raises:
        subprocess.CalledProcessError: if it can't be fetched or read.
    """
    if not (directory / "movies.csv").exists():
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [PYTHON, ROOT / "benchmarks" / "set_files.py", name, directory], check=True
        )
    return read_dataset([Channel("training", directory)])


def main() -> None:
    """Measure the sets and splits that the command line names, or all; print the
    tables, write the JSON.
    """
    screen, results = console(), {}
    for name in [name for name in SETS if name in sys.argv] or SETS:
        data = fetch(name, BENCH / "sets" / name)
        for split in [split for split in SPLITS if split in sys.argv] or SPLITS:
            results[f"{name} {split}"] = measure(split, data, list(RECOMMENDERS))
            screen.print(table(f"{name}, {split}", results[f"{name} {split}"]))
    save("sets", results, screen)


if __name__ == "__main__":
    main()
