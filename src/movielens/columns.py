"""MovieLens' own names: the columns as they stand in files and on the wire, and the
genres.
"""

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
"""The 18 genres that the data sets' READMEs list. IMAX stands in the same column, but
is a format of projection.
"""

OLD_GENRE_NAMES = {"Children's": "Children"}
"""Names that ML-100K and ML-1M use for the same genre."""

NO_GENRE = frozenset({"", "(no genres listed)", "unknown"})
"""What stands in place of genres where there are none: today's wording and ML-100K's.
"""

ML_100K_GENRES = (
    "unknown",
    *("Children's" if genre == "Children" else genre for genre in GENRES),
)
"""The 19 flag columns at the end of ML-100K's ``u.item``, in its order."""
