"""A MovieLens set that a package holds, as ``ratings.csv`` and ``movies.csv``: ``python
set_files.py SET DIRECTORY``.

It imports nothing of ours, since what reads them lives in an environment of its own:

- ``ml-100k``: RecBole's wheel has a copy, with titles, years and genres in columns of
their own;
- ``dslabs``: the R package has ml-latest-small as it was in 2016, titles and years
apart; Debian packs it.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Rows = Iterable[Iterable[Any]]
RATINGS, MOVIES = (
    ("userId", "movieId", "rating", "timestamp"),
    ("movieId", "title", "genres"),
)


def ml_100k() -> tuple[Rows, Rows]:
    """Ratings and movies of RecBole's copy of ML-100K.

    Raises:
        ModuleNotFoundError: if RecBole isn't installed.
    """
    # RecBole itself isn't imported: it would want PyTorch.
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("recbole is not installed")
    members = Path(spec.origin).parent / "dataset_example" / "ml-100k"

    def rows(kind: str) -> list[list[str]]:
        text = (members / f"ml-100k.{kind}").read_text("utf-8")
        return list(
            csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
        )

    movies = (
        (item, _titled(title, year), "|".join(genres.split()))
        for item, title, year, genres in rows("item")
    )
    return rows("inter"), movies


def dslabs() -> tuple[Rows, Rows]:
    """Ratings and movies of the R package's data frame, which has a rating and all of
    its movie in each row.

    Raises:
        subprocess.CalledProcessError: if apt can't fetch the package.
    """
    import rdata

    warnings.filterwarnings("ignore", "Unknown file type", UserWarning)
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            ["apt-get", "download", "--quiet", "r-cran-dslabs"],
            check=True,
            cwd=directory,
        )
        subprocess.run(
            ["dpkg-deb", "--extract", *Path(directory).glob("*.deb"), directory],
            check=True,
        )
        data = (
            Path(directory) / "usr" / "lib" / "R" / "site-library" / "dslabs" / "data"
        )
        # R's lazy-load database: an index of places, where each object lies packed
        # behind its length in four bytes.
        first, length = (
            int(number)
            for number in rdata.read_rds(data / "Rdata.rdx")["variables"]["movielens"]
        )
        packed = (data / "Rdata.rdb").read_bytes()[first : first + length]
    frame = rdata.conversion.convert(
        rdata.parser.parse_data(zlib.decompress(packed[4:]))
    )
    movies = frame.drop_duplicates("movieId").astype(object)
    movies = movies.where(movies.notna(), "")
    return frame[list(RATINGS)].to_numpy(object), (
        (movie, _titled(title, year), genres)
        for movie, title, year, genres in movies[
            ["movieId", "title", "year", "genres"]
        ].to_numpy()
    )


def _titled(title: str, year: object) -> str:
    return f"{title} ({year})" if year else title


SETS: dict[str, Callable[[], tuple[Rows, Rows]]] = {
    "ml-100k": ml_100k,
    "dslabs": dslabs,
}


def main() -> None:
    """Write one of `SETS`."""
    ratings, movies = SETS[sys.argv[1]]()
    # movies.csv is last, so that it says whether both are there.
    for name, header, rows in (
        ("ratings.csv", RATINGS, ratings),
        ("movies.csv", MOVIES, movies),
    ):
        with (Path(sys.argv[2]) / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    main()
