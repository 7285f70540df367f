"""A fitted `FeatureSpec` as plain arrays, and back: what ``features.npz`` holds.

There are no Python objects among them. Text is UTF-8 bytes, a line an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.features.blend import Blend
from movielens.features.groups import group_from_arrays, group_to_arrays
from movielens.features.matrix import IdIndex
from movielens.features.parts import Column, Part
from movielens.features.profiles import Profiles
from movielens.features.spec import FeatureSpec
from movielens.features.training_rows import Bias, Catalogue
from movielens.ratings import RatingScale
from movielens.tables import MovieTable

Arrays = Mapping[str, NDArray[Any]]

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
    for blend in spec.blends:
        arrays |= _blend_to_arrays(blend)
    return arrays


def spec_from_arrays(arrays: Arrays) -> FeatureSpec:
    """The spec that `spec_to_arrays` made these arrays of.

    Raises:
        KeyError: an array is missing, or there is no such group.
        ValueError: an array has other contents than `spec_to_arrays` writes.
    """
    groups = _unpack(arrays["groups"])
    blends = _unpack(arrays["blends"])
    return FeatureSpec(
        users=IdIndex(arrays["user_id"]),
        catalogue=Catalogue.of(_movies_from_arrays(arrays)),
        scale=RatingScale(tuple(arrays["class_values"].tolist())),
        bias=_bias_from_arrays(arrays),
        profiles=Profiles(*(arrays[f"profiles.{name}"] for name in _PROFILE_FIELDS)),
        groups=tuple(group_from_arrays(name, arrays) for name in groups if name),
        blends=tuple(_blend_from_arrays(name, arrays) for name in blends if name),
        latest_kept=int(arrays["latest_kept"][0]),
    )


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
    return MovieTable(
        arrays["movie_id"],
        _unpack(arrays["title"]),
        tuple(genres[line] for line in lines),
        arrays["year"],
    )


def _bias_to_arrays(bias: Bias) -> dict[str, NDArray[Any]]:
    return {
        "bias.mean": np.array([bias.mean]),
        "bias.user": bias.user,
        "bias.movie": bias.movie,
        "bias.user_shrinkage": np.array([bias.user_shrinkage]),
        "bias.movie_shrinkage": np.array([bias.movie_shrinkage]),
    }


def _bias_from_arrays(arrays: Arrays) -> Bias:
    return Bias(
        mean=float(arrays["bias.mean"][0]),
        user=arrays["bias.user"],
        movie=arrays["bias.movie"],
        user_shrinkage=float(arrays["bias.user_shrinkage"][0]),
        movie_shrinkage=float(arrays["bias.movie_shrinkage"][0]),
    )


def _blend_to_arrays(blend: Blend) -> dict[str, NDArray[Any]]:
    name = blend.column.name
    return {
        f"{name}.part": np.array([blend.column.part], dtype=np.int64),
        f"{name}.terms": _pack(blend.terms),
        f"{name}.weights": blend.weights,
    }


def _blend_from_arrays(name: str, arrays: Arrays) -> Blend:
    part = Part(int(arrays[f"{name}.part"][0]))
    terms = _unpack(arrays[f"{name}.terms"])
    return Blend(Column(name, part), terms, arrays[f"{name}.weights"])


def _pack(lines: Iterable[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_LINE_END.join(lines).encode(), dtype=np.uint8)


def _unpack(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split(_LINE_END))
