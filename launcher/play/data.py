"""Movies by title, and users by their ratings, as the MovieLens files have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from launcher.names import CHANNEL
from movielens.channel import Channel
from movielens.readers import Dataset, read_dataset

_SEPARATORS = re.compile(r"[^0-9a-z]+")
# MovieLens puts the article of a title behind it: "Godfather, The (1972)".
_ARTICLE = re.compile(r"^(.+), (The|An?|Das|De[rn]?|Die|El|Il|L[ae]s?)(?= \(|$)")


@dataclass(frozen=True, slots=True)
class Movie:
    """What is known of a movie.

    Attributes:
        movie_id: raw MovieLens id.
        title: with the year.
        genres: as in the file.
        year: None if the title has none.
        n_ratings: how many ratings the files have.
    """

    movie_id: int
    title: str
    genres: tuple[str, ...]
    year: int | None
    n_ratings: int


@dataclass(frozen=True, slots=True, eq=False)
class UserRatings:
    """The ratings of all users, 5 bytes each, user by user.

    Attributes:
        users: int32 (n_users,), raw ids, rising.
        start: int64 (n_users + 1,), user u has the rows start[u] to start[u + 1].
        movie_id: int32 (n_rows,).
        half_stars: uint8 (n_rows,).
    """

    users: NDArray[np.int32]
    start: NDArray[np.int64]
    movie_id: NDArray[np.int32]
    half_stars: NDArray[np.uint8]

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The ratings of the files."""
        table = dataset.ratings
        order = np.argsort(table.user_id, kind="stable")
        users, start = np.unique(table.user_id[order], return_index=True)
        return cls(
            users=users,
            start=np.append(start, len(order)),
            movie_id=table.movie_id[order],
            half_stars=table.half_stars[order],
        )

    def by_movie(self, user_id: int) -> dict[int, float]:
        """The stars that a user gave, by movie; nothing for an unknown user."""
        place = int(np.searchsorted(self.users, user_id))
        is_known = place < len(self.users) and self.users[place] == user_id
        if not is_known:
            return {}
        first = self.start[place]
        end = self.start[place + 1]
        movies: list[int] = self.movie_id[first:end].tolist()
        stars: list[float] = (self.half_stars[first:end] / 2).tolist()
        return dict(zip(movies, stars, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class PlayData:
    """What the page can look up without the model.

    Attributes:
        movies: by raw id; the most rated first.
        ratings: of all users.
        words: the title of each movie as `search` compares it, by raw id.
    """

    movies: Mapping[int, Movie]
    ratings: UserRatings
    words: Mapping[int, str]

    @classmethod
    def read(cls, directory: Path, most_bad: float = 0.0) -> Self:
        """Read the files of a directory, as a training job would.

        Args:
            directory: with ratings and movies.
            most_bad: the largest share of ratings that may be dropped.

        Raises:
            DataError: a file or a value that can't be used.
        """
        channel = Channel(CHANNEL, directory)
        return cls.of(read_dataset([channel], most_bad))

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """What the page needs of the files."""
        rated, counts = np.unique(dataset.ratings.movie_id, return_counts=True)
        n_ratings = dict(zip(rated.tolist(), counts.tolist(), strict=True))

        listed = dataset.movies
        found = [
            Movie(movie_id, title, genres, year or None, n_ratings.get(movie_id, 0))
            for movie_id, title, genres, year in zip(
                listed.movie_id.tolist(),
                listed.title,
                listed.genres,
                listed.year.tolist(),
                strict=True,
            )
        ]
        found.sort(key=lambda movie: -movie.n_ratings)
        movies = {movie.movie_id: movie for movie in found}
        words = {movie.movie_id: search_words(movie.title) for movie in found}
        return cls(movies, UserRatings.of(dataset), words)

    def search(self, text: str, count: int = 12) -> list[Movie]:
        """Movies whose titles have words that begin with all words of ``text``.

        Titles that begin with the text come first, then those that are rated most.

        Example:
            ``the god`` finds "Godfather, The (1972)".
        """
        asked = search_words(text)
        words = asked.split()
        if not words:
            return []
        first: list[Movie] = []
        others: list[Movie] = []
        for movie_id, title in self.words.items():
            if all(f" {word}" in title for word in words):
                group = first if title.startswith(asked) else others
                group.append(self.movies[movie_id])
        return [*first, *others][:count]

    def popular(self, count: int) -> list[Movie]:
        """The movies that are rated most."""
        return list(islice(self.movies.values(), count))

    def rating(self, user_id: int | None, movie_id: int) -> float | None:
        """The stars that a user gave a movie, if both are in the files."""
        if user_id is None:
            return None
        return self.ratings.by_movie(user_id).get(movie_id)

    def favourites(self, user_id: int, count: int = 5) -> list[tuple[Movie, float]]:
        """A user's best rated movies; of equal ones those that are rated most."""
        rated = [
            (self.movies[movie_id], stars)
            for movie_id, stars in self.ratings.by_movie(user_id).items()
        ]
        rated.sort(key=_best_first)
        return rated[:count]


def _best_first(rated: tuple[Movie, float]) -> tuple[float, int]:
    movie, stars = rated
    return -stars, -movie.n_ratings


def search_words(text: str) -> str:
    """A text as lower-case words of letters and digits, each after a space.

    An article comes first, as it is said.

    Example:
        >>> search_words("Promesse, La (1996)"), search_words("Amélie")
        (' la promesse 1996', ' amelie')
    """
    as_said = _ARTICLE.sub(r"\2 \1", text)
    decomposed = unicodedata.normalize("NFKD", as_said)
    letters = "".join(each for each in decomposed if not unicodedata.combining(each))
    # A word such as "don't" stays in one piece.
    plain = letters.lower().replace("'", "")
    words = _SEPARATORS.sub(" ", plain).split()
    return "".join(f" {word}" for word in words)
