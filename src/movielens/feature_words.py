"""What features are about, in words for people: `reason_of` gives each one a reason.

There are hundreds of features and a dozen reasons. What features add to a rating may be
summed by reason, since the parts of an explanation add up.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Reason(NamedTuple):
    """Why a rating is high or low.

    Attributes:
        name: a few words.
        raises: what is said where it raises a rating.
        lowers: what is said where it lowers a rating.
    """

    name: str
    raises: str
    lowers: str


MOVIE = Reason(
    "the movie's ratings",
    "others rate this movie well",
    "others rate this movie less well",
)
USER = Reason(
    "the user's ratings",
    "this user tends to give many stars",
    "this user tends to give few stars",
)
BOTH = Reason(
    "user and movie together",
    "this user's level and the movie's level together lead one to expect more",
    "this user's level and the movie's level together lead one to expect less",
)
POPULARITY = Reason(
    "popularity",
    "how often the movie is rated speaks for it",
    "how often the movie is rated speaks against it",
)
GENRES = Reason(
    "genres",
    "its genres speak for it",
    "its genres speak against it",
)
YEAR = Reason(
    "year and kind of movie",
    "this user likes movies of such a year and popularity",
    "this user likes movies of such a year and popularity less",
)
SIMILAR_MOVIES = Reason(
    "similar movies",
    "this user likes similar movies",
    "this user likes similar movies less",
)
SIMILAR_USERS = Reason(
    "similar users",
    "users of similar taste like it",
    "users of similar taste like it less",
)
RECENT = Reason(
    "the latest ratings",
    "this user's latest ratings are high",
    "this user's latest ratings are low",
)
PACE = Reason(
    "pace of rating",
    "how fast and how much this user rates speaks for more stars",
    "how fast and how much this user rates speaks for fewer stars",
)
TIME = Reason(
    "time",
    "the time of the rating speaks for more stars",
    "the time of the rating speaks for fewer stars",
)
UNKNOWN = Reason(
    "what isn't known",
    "what isn't known of user and moment speaks for more stars",
    "what isn't known of user and moment speaks for fewer stars",
)
IDS = Reason(
    "raw ids",
    "trees have learned this very id by heart",
    "trees have learned this very id by heart",
)

# What is known of a movie though nothing is known of the user.
OF_THE_MOVIE = (MOVIE, POPULARITY, GENRES, IDS)

# The first pattern that fits the whole name counts.
_REASONS = (
    ("knows|lacks", UNKNOWN),
    ("userId|movieId", IDS),
    ("genre_.*|affinity_.*", GENRES),
    ("movie_log_count", POPULARITY),
    ("movie_quantile_for_user|bias|joint_.*|level.*", BOTH),
    ("blend|blend_level|blend_taste", BOTH),
    ("movie_age|timestamp|hour|weekday|era_.*|days_of_.*|log_span_of_user", TIME),
    ("movie_.*|factors_movie", MOVIE),
    ("user_.*|factors_user", USER),
    ("factors_residual", SIMILAR_USERS),
    ("neighbours_.*|titles_.*|alike_.*", SIMILAR_MOVIES),
    ("year|slope_.*|sloped_.*|centre_.*|away_.*|taste_residual", YEAR),
    ("recent_.*|latest_.*|nearest_residual|beyond_taste_.*", RECENT),
    ("mood.*|blend_mood", RECENT),
    ("pace_.*", PACE),
)


def reason_of(feature: str) -> Reason:
    """What a feature is about.

    Raises:
        KeyError: no feature has such a name.

    Example:
        >>> reason_of("movie_mean").name
        "the movie's ratings"
    """
    for pattern, reason in _REASONS:
        if re.fullmatch(pattern, feature):
            return reason
    raise KeyError(f"{feature} has no reason; give it one in movielens.feature_words")
