"""A fitted `FeatureSpec` as plain arrays, and back: what ``features.npz`` holds.

There are no Python objects among them. Text is UTF-8 bytes, a line an entry.

Most arrays are tables of kernels, and the extension checks those when it is given them.
What only Python reads is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.features.blend import Blend
from movielens.features.groups import (
    LEVEL_GROUPS,
    group_from_arrays,
    group_to_arrays,
)
from movielens.features.level import KnownMovies, Level
from movielens.features.matrix import IdIndex
from movielens.features.parts import Column, Part
from movielens.features.profiles import Profiles
from movielens.features.recency import Recency
from movielens.features.spec import FeatureSpec
from movielens.features.training_rows import Bias, Catalogue
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.tables import MovieTable

Arrays = Mapping[str, NDArray[Any]]

_MOST_COLUMNS = 1000
_LINE_END = "\n"
_GENRE_SEPARATOR = "|"
_PROFILE_FIELDS = tuple(field.name for field in fields(Profiles))


def spec_to_arrays(spec: FeatureSpec) -> dict[str, NDArray[Any]]:
    """The arrays that `spec_from_arrays` makes the spec from."""
    arrays: dict[str, NDArray[Any]] = {
        "user_id": spec.users.ids,
        "class_values": np.array(spec.scale.class_values),
        "latest_kept": np.array([spec.latest_kept]),
        "groups": _pack(group.name for group in spec.groups),
        "blends": _pack(blend.column.name for blend in spec.blends),
    }
    arrays |= _movies_to_arrays(spec.movies)
    arrays |= _bias_to_arrays(spec.bias)
    for name in _PROFILE_FIELDS:
        arrays[f"profiles.{name}"] = getattr(spec.profiles, name)
    for group in spec.groups:
        arrays |= group_to_arrays(group)
    if spec.level is not None:
        arrays |= spec.level.to_arrays()
    for blend in spec.blends:
        arrays |= _blend_to_arrays(blend)
    return arrays


def spec_from_arrays(arrays: Arrays) -> FeatureSpec:
    """The spec that `spec_to_arrays` made these arrays of.

    Raises:
        BuildError: the extension that makes features isn't built.
        ArithmeticError, LookupError, TypeError, ValueError: an array is missing, or
            has other contents than `spec_to_arrays` writes.
    """
    names = _unpack(arrays["groups"])
    blends = _unpack(arrays["blends"])
    if Recency.name in names:
        _check_columns(_single(arrays, "recency.latest"))
    users = IdIndex(arrays["user_id"])
    movies = _movies_from_arrays(arrays)
    bias = _bias_from_arrays(arrays, len(users), len(movies))
    groups = tuple(group_from_arrays(name, arrays) for name in names if name)
    level = None
    if LEVEL_GROUPS.keys() & set(names):
        level = Level.from_arrays(arrays, KnownMovies.of(groups, bias))
    spec = FeatureSpec(
        users=users,
        catalogue=Catalogue.of(movies),
        scale=RatingScale(tuple(arrays["class_values"].tolist())),
        bias=bias,
        profiles=_profiles_from_arrays(arrays, len(users), len(movies)),
        groups=groups,
        level=level,
        blends=tuple(_blend_from_arrays(name, arrays) for name in blends if name),
        latest_kept=int(_single(arrays, "latest_kept")),
    )
    # With the first rows, here none, the extension gets its tables.
    nothing = np.empty(0, dtype=np.int64)
    no_rows = RatingQueries(nothing, nothing, nothing.astype(np.float64))
    spec.values_and_unknown(no_rows)
    # Requests with a history fit users anew, from arrays that no kernel reads. Those of
    # movies have to reach to the last one.
    rating = np.array(spec.scale.class_values[-1:])
    spec.with_user_history(0, movies.movie_id[-1:], rating[: len(movies)])
    return spec


def _movies_to_arrays(movies: MovieTable) -> dict[str, NDArray[Any]]:
    genres = [_GENRE_SEPARATOR.join(genres) for genres in movies.genres]
    return {
        "movie_id": movies.movie_id,
        "title": _pack(movies.title),
        "genres": _pack(genres),
        "year": movies.year,
    }


def _movies_from_arrays(arrays: Arrays) -> MovieTable:
    lines = _unpack(arrays["genres"])
    # Most movies share their list of genres with others, so each is split once.
    genres = {
        line: tuple(line.split(_GENRE_SEPARATOR)) if line else () for line in set(lines)
    }
    n_movies = len(arrays["movie_id"])
    return MovieTable(
        _column(arrays, "movie_id", np.int32, n_movies),
        _unpack(arrays["title"]),
        tuple(genres[line] for line in lines),
        _column(arrays, "year", np.int16, n_movies),
    )


def _bias_to_arrays(bias: Bias) -> dict[str, NDArray[Any]]:
    return {
        "bias.mean": np.array([bias.mean]),
        "bias.user": bias.user,
        "bias.movie": bias.movie,
        "bias.user_shrinkage": np.array([bias.user_shrinkage]),
        "bias.movie_shrinkage": np.array([bias.movie_shrinkage]),
    }


def _bias_from_arrays(arrays: Arrays, n_users: int, n_movies: int) -> Bias:
    return Bias(
        mean=float(_single(arrays, "bias.mean")),
        user=_column(arrays, "bias.user", np.float64, n_users + 1),
        movie=_column(arrays, "bias.movie", np.float64, n_movies + 1),
        user_shrinkage=float(_single(arrays, "bias.user_shrinkage")),
        movie_shrinkage=float(_single(arrays, "bias.movie_shrinkage")),
    )


def _profiles_from_arrays(arrays: Arrays, n_users: int, n_movies: int) -> Profiles:
    start = _column(arrays, "profiles.older_start", np.int64, n_users + 2)
    first = int(start[0])
    last = int(start[-1])
    if first != 0 or np.any(start[1:] < start[:-1]):
        raise ValueError("profiles.older_start doesn't rise from 0")

    # Counts of movies would take as much memory as the largest index says.
    older = _column(arrays, "profiles.older", np.int32, last)
    is_listed = (older >= 0) & (older < n_movies)
    if not np.all(is_listed):
        raise ValueError("profiles.older names a movie that isn't in the catalogue")
    return Profiles(*(arrays[f"profiles.{name}"] for name in _PROFILE_FIELDS))


def _check_columns(n_columns: int) -> None:
    """The one number that says how many columns there are."""
    if not 0 <= n_columns <= _MOST_COLUMNS:
        raise ValueError(f"recency.latest is {n_columns}, at most {_MOST_COLUMNS}")


def _single(arrays: Arrays, name: str) -> Any:
    """The only number of an array."""
    array = arrays[name]
    if array.shape != (1,):
        raise ValueError(f"{name} has shape {array.shape}, expected one number")
    return array[0]


def _column(arrays: Arrays, name: str, dtype: type, length: int) -> NDArray[Any]:
    """An array of this type and length."""
    array = arrays[name]
    if array.dtype != dtype or array.shape != (length,):
        raise ValueError(
            f"{name} is {array.dtype}{array.shape}, expected {dtype.__name__}({length})"
        )
    return array


def _blend_to_arrays(blend: Blend) -> dict[str, NDArray[Any]]:
    name = blend.column.name
    return {
        f"{name}.part": np.array([blend.column.part], dtype=np.int64),
        f"{name}.terms": _pack(blend.terms),
        f"{name}.weights": blend.weights,
    }


def _blend_from_arrays(name: str, arrays: Arrays) -> Blend:
    part = Part(int(_single(arrays, f"{name}.part")))
    terms = _unpack(arrays[f"{name}.terms"])
    return Blend(Column(name, part), terms, arrays[f"{name}.weights"])


def _pack(lines: Iterable[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_LINE_END.join(lines).encode(), dtype=np.uint8)


def _unpack(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split(_LINE_END))
