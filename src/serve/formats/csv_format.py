"""text/csv: a line a row. How bodies are read is in `serve.formats.csv_rows`.

A line of an answer is the rating in stars, such as ``4.0``, or with ``verbose=true``
all columns. A line of recommendations, or of movies to rate, is movie ids.
"""

from __future__ import annotations

from functools import lru_cache

from movielens.columns import MOVIE_ID
from serve.formats.csv_rows import PAIRS, users_parser
from serve.formats.format import Format
from serve.formats.renderer import (
    LINES,
    AnswerStyle,
    Frame,
    Renderer,
    class_names,
    probabilities_as_json,
)
from serve.predicted_rows import PredictedRows
from serve.question_answers import QuestionAnswer
from serve.questions import Wanted
from serve.rows import Shape

_EXPECTED_RATING = "expected_rating"


def _render_rows(rows: PredictedRows, style: AnswerStyle) -> list[bytes]:
    """The rating in stars; where verbose, the columns that `_frame` names."""
    predicted = rows.predicted
    names = _encoded_names(predicted.class_values)
    ratings = [names[index] for index in predicted.class_index.tolist()]
    if not style.is_verbose or not ratings:
        return ratings
    means = predicted.expected_rating.tolist()
    # The rows of a JSON list of lists of numbers are CSV.
    lists = probabilities_as_json(predicted).removeprefix(b"[[").removesuffix(b"]]")
    distributions = lists.split(b"],[")
    lines = []
    for rating, mean, row in zip(ratings, means, distributions, strict=True):
        lines.append(b"%b,%b,%b" % (rating, repr(mean).encode(), row))
    return lines


@lru_cache(maxsize=64)
def _encoded_names(class_values: tuple[float, ...]) -> list[bytes]:
    return [name.encode() for name in class_names(class_values)]


def _render_answer(answer: QuestionAnswer, style: AnswerStyle) -> bytes:
    """A prediction like any other, or the ids of movies.

    Where verbose, each movie id is followed by its expected rating or its gain. If
    fewer movies are left than were wanted, the last fields are empty.
    """
    wanted = answer.question.wanted
    if wanted is None:
        return _render_rows(answer.rows, style)[0]
    to_rate = answer.to_rate
    if to_rate is None:
        movie_ids = answer.rows.queries.movie_id.tolist()
        figures = answer.rows.predicted.expected_rating.tolist()
    else:
        movie_ids = answer.rows.movies.movie_id[to_rate.movie_index].tolist()
        figures = to_rate.gain.tolist()
    fields = []
    for movie_id, figure in zip(movie_ids, figures, strict=True):
        fields.append(str(movie_id))
        if style.is_verbose:
            fields.append(repr(figure))
    fields_per_movie = 2 if style.is_verbose else 1
    n_empty = wanted.count * fields_per_movie - len(fields)
    return ",".join(fields + [""] * n_empty).encode()


def _render_fault(message: str) -> bytes:
    """One quoted field."""
    quoted = message.replace('"', '""')
    return f'"error: {quoted}"'.encode()


def _frame(rows: PredictedRows, shape: Shape, style: AnswerStyle) -> Frame:
    """A line a row, below a line with the names of the columns if there is a header."""
    del shape  # CSV has only one
    if not style.has_header:
        return LINES
    if style.wanted is not None:
        names = _names_of_movies(style.wanted, style.is_verbose)
    else:
        names = _names_of_ratings(rows, style)
    return Frame(",".join(names).encode() + b"\n", b"\n", b"")


def _names_of_ratings(rows: PredictedRows, style: AnswerStyle) -> list[str]:
    if not style.is_verbose:
        return ["rating"]
    stars = class_names(rows.predicted.class_values)
    return ["rating", _EXPECTED_RATING, *(f"probability_{value}" for value in stars)]


def _names_of_movies(wanted: Wanted, is_verbose: bool) -> list[str]:
    figure = "gain" if wanted.is_onboarding else _EXPECTED_RATING
    names = []
    for number in range(1, wanted.count + 1):
        names.append(f"{MOVIE_ID}_{number}")
        if is_verbose:
            names.append(f"{figure}_{number}")
    return names


CSV = Format(
    media_types=("text/csv",),
    parser=PAIRS,
    renderer=Renderer(_render_rows, _render_answer, _render_fault, _frame),
    parser_of_users=users_parser,
)
