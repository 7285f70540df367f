"""The default recipe, untouched, on another MovieLens set beside others: ML-100K, whose ratings are five whole stars.

The set's licence forbids to pass it on, so it isn't in the repository. A wheel of RecBole has a copy, with titles,
years and genres in columns of its own: here it becomes ``ratings.csv`` and ``movies.csv`` under ``build/bench/sets``.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.accuracy import SPLITS
from benchmarks.recommenders import RECOMMENDERS
from benchmarks.recommending import measure, table
from benchmarks.results import ROOT, console, save
from movielens.readers import Dataset, read_dataset

REQUIREMENTS = ROOT / "benchmarks" / "requirements-sets.txt"
DIRECTORY = ROOT / "build" / "bench" / "sets"
_MEMBER = "recbole/dataset_example/ml-100k/ml-100k."


def ml_100k(directory: Path) -> Dataset:
    """The set, fetched unless ``directory`` has it.

    Raises:
        subprocess.CalledProcessError: if pip can't fetch the wheel.
    """
    channel = directory / "ml-100k"
    if not (channel / "movies.csv").exists():
        channel.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS), "--dest", str(directory)], check=True)
        with zipfile.ZipFile(next(directory.glob("recbole-*.whl"))) as wheel:
            # movies.csv is last, so that it says whether both are there.
            _write(channel / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), _rows(wheel, "inter"))
            movies = (
                (item, f"{title} ({year})" if year else title, "|".join(genres.split()))
                for item, title, year, genres in _rows(wheel, "item")
            )
            _write(channel / "movies.csv", ("movieId", "title", "genres"), movies)
    return read_dataset({"training": channel})


def _rows(wheel: zipfile.ZipFile, kind: str) -> Iterator[list[str]]:
    """Rows of one of the set's files, without its header."""
    with wheel.open(_MEMBER + kind) as file:
        lines = csv.reader(io.TextIOWrapper(file, "utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
        next(lines)
        yield from lines


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main() -> None:
    """Measure the splits that the command line names, or all; print the tables, write the JSON."""
    data, screen, results = ml_100k(DIRECTORY), console(), {}
    for split in (name for name in SPLITS if name in (sys.argv[1:] or SPLITS)):
        results[split] = measure(split, data, list(RECOMMENDERS))
        screen.print(table(f"ML-100K, {split}", results[split]))
    save("sets", results, screen)


if __name__ == "__main__":
    main()
