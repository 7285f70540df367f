"""MovieLens's own names: the columns, in files and in requests, and the genres."""

from __future__ import annotations

USER_ID = "userId"
MOVIE_ID = "movieId"
RATING = "rating"
TIMESTAMP = "timestamp"
TITLE = "title"
GENRES_COLUMN = "genres"

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""The 18 genres that the data sets' READMEs list.

Files have IMAX in the same column, but it is a film format, not a genre.
"""

OLD_GENRE_NAMES = {"Children's": "Children"}
"""ML-100K's and ML-1M's name of a genre, and today's name of it."""

NO_GENRE = frozenset({"", "(no genres listed)", "unknown"})
"""What files say instead of genres for a movie without any."""

ML_100K_GENRES = (
    "unknown",
    *("Children's" if genre == "Children" else genre for genre in GENRES),
)
"""The 19 flag columns at the end of ML-100K's ``u.item``, in its order."""
