"""Predictions to bytes, at full precision: each number in the shortest form that reads back as the number computed.

No answer ends in a newline, since batch transform puts one behind each answer that it joins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from movielens.columns import MOVIE_ID, USER_ID
from serve.rows import Shape
from serve.scorer import Predictions

Parameters = Mapping[str, str]
Record = dict[str, Any]


def render_csv(predictions: Predictions, shape: Shape, parameters: Parameters) -> bytes:
    """A line a row: the rating in stars, such as ``4.0``.

    With ``verbose=true`` the columns are rating, expected_rating and ``probability_<stars>`` for each class, rising;
    with ``header=present`` the first line names the columns.
    """
    del shape  # CSV has but one
    verbose = parameters.get("verbose") == "true"
    lines = _verbose_lines(predictions) if verbose else _ratings(predictions)
    if parameters.get("header") == "present":
        more = ["expected_rating", *(f"probability_{name}" for name in _class_names(predictions))]
        lines.insert(0, ",".join(["rating", *(more if verbose else ())]))
    return "\n".join(lines).encode()


def render_json(predictions: Predictions, shape: Shape, parameters: Parameters) -> bytes:
    """Records in the shape of the request: one object, a list, or ``{"predictions": [...]}`` for instances."""
    del parameters
    records = _records(predictions)
    if shape is Shape.OBJECT:
        return orjson.dumps(records[0])
    return orjson.dumps({"predictions": records} if shape is Shape.INSTANCES else records)


def render_json_lines(predictions: Predictions, shape: Shape, parameters: Parameters) -> bytes:
    """One record a line."""
    del shape, parameters
    return b"\n".join(map(orjson.dumps, _records(predictions)))


def _class_names(predictions: Predictions) -> list[str]:
    return list(map(repr, predictions.class_values))


def _ratings(predictions: Predictions) -> list[str]:
    names = _class_names(predictions)
    return [names[index] for index in predictions.scores.class_index.tolist()]


def _probabilities(predictions: Predictions) -> bytes:
    """The matrix as JSON; of float32, orjson writes the shortest form that reads back as the same float32."""
    return orjson.dumps(predictions.scores.probabilities, option=orjson.OPT_SERIALIZE_NUMPY)


def _verbose_lines(predictions: Predictions) -> list[str]:
    if not len(predictions.queries):
        return []
    rows = _probabilities(predictions).decode()[2:-2].split("],[")
    columns = zip(_ratings(predictions), predictions.scores.expected_rating.tolist(), rows, strict=True)
    return [f"{rating},{expected_rating!r},{row}" for rating, expected_rating, row in columns]


def _records(predictions: Predictions) -> list[Record]:
    names, movies = _class_names(predictions), predictions.movies
    columns = zip(
        predictions.queries.user_id.tolist(),
        predictions.queries.movie_id.tolist(),
        predictions.movie_index.tolist(),
        predictions.scores.class_index.tolist(),
        predictions.scores.expected_rating.tolist(),
        orjson.loads(_probabilities(predictions)),  # Python floats that are written with the same digits again
        predictions.knows_user.tolist(),
        strict=True,
    )
    return [
        {
            USER_ID: user_id,
            MOVIE_ID: movie_id,
            "title": movies.title[place] if place >= 0 else None,
            "genres": movies.genres[place] if place >= 0 else None,
            "rating": predictions.class_values[index],
            "expected_rating": expected_rating,
            "probabilities": dict(zip(names, probabilities, strict=True)),
            "known_user": known_user,
            "known_movie": place >= 0,
        }
        for user_id, movie_id, place, index, expected_rating, probabilities, known_user in columns
    ]
