"""Writes a MovieLens set that a package has as ``ratings.csv`` and ``movies.csv``.

``python set_files.py SET DIRECTORY``. It imports nothing of ours, because it runs in an
environment of its own. The sets are:

- ``ml-100k``: RecBole's wheel has a copy, with titles, years and genres in columns of
  their own;
- ``dslabs``: the R package, which Debian has, contains ml-latest-small as it was in
  2016, with titles and years apart.
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

RATING_COLUMNS = ("userId", "movieId", "rating", "timestamp")
MOVIE_COLUMNS = ("movieId", "title", "genres")


def ml_100k() -> tuple[Rows, Rows]:
    """Ratings and movies of RecBole's copy of ML-100K.

    Raises:
        ModuleNotFoundError: if RecBole isn't installed.
    """
    # RecBole itself isn't imported, because it would want PyTorch.
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("recbole is not installed")
    folder = Path(spec.origin).parent / "dataset_example" / "ml-100k"

    ratings = _tab_separated(folder / "ml-100k.inter")
    movies = []
    for movie_id, title, year, genres in _tab_separated(folder / "ml-100k.item"):
        movies.append((movie_id, _titled(title, year), "|".join(genres.split())))
    return ratings, movies


def _tab_separated(path: Path) -> list[list[str]]:
    """The rows of a file, without its header."""
    _, *lines = path.read_text("utf-8").splitlines()
    return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def dslabs() -> tuple[Rows, Rows]:
    """Ratings and movies of the R package's data frame.

    Each of its rows has a rating and everything about its movie.

    Raises:
        subprocess.CalledProcessError: if apt can't fetch the package.
    """
    import rdata

    warnings.filterwarnings("ignore", "Unknown file type", UserWarning)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        download = ["apt-get", "download", "--quiet", "r-cran-dslabs"]
        subprocess.run(download, check=True, cwd=folder)
        (package,) = folder.glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        data = folder / "usr" / "lib" / "R" / "site-library" / "dslabs" / "data"
        serialized = _lazy_loaded(data, "movielens")

    frame = rdata.conversion.convert(rdata.parser.parse_data(serialized))
    movie_frame = frame.drop_duplicates("movieId").astype(object)
    movie_frame = movie_frame.where(movie_frame.notna(), "")
    columns = movie_frame[["movieId", "title", "year", "genres"]].to_numpy()
    movies = [
        (movie_id, _titled(title, year), genres)
        for movie_id, title, year, genres in columns
    ]
    return frame[list(RATING_COLUMNS)].to_numpy(object), movies


def _lazy_loaded(data: Path, name: str) -> bytes:
    """An object of R's lazy-load database, still serialized.

    ``Rdata.rdx`` has the place and length of each object in ``Rdata.rdb``, where it is
    compressed after four bytes of its length.
    """
    import rdata

    start, length = rdata.read_rds(data / "Rdata.rdx")["variables"][name]
    end = int(start) + int(length)
    packed = (data / "Rdata.rdb").read_bytes()[int(start) : end]
    return zlib.decompress(packed[4:])


def _titled(title: str, year: object) -> str:
    return f"{title} ({year})" if year else title


SETS: dict[str, Callable[[], tuple[Rows, Rows]]] = {
    "ml-100k": ml_100k,
    "dslabs": dslabs,
}


def main() -> None:
    """Write one of `SETS`."""
    name = sys.argv[1]
    directory = Path(sys.argv[2])
    ratings, movies = SETS[name]()
    # movies.csv comes last, so if it is there, both are.
    _write(directory / "ratings.csv", RATING_COLUMNS, ratings)
    _write(directory / "movies.csv", MOVIE_COLUMNS, movies)


def _write(path: Path, header: tuple[str, ...], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
