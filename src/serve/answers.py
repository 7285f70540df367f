"""PredictedRows to bytes, at full precision: each number in the shortest form that reads
back as the number computed.

No answer ends in a newline, since batch transform puts one behind each answer that it
joins. A very long answer is made in blocks of rows, so that its beginning is on the way
while its end is computed, and it is never held whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from movielens.columns import MOVIE_ID, USER_ID
from movielens.model import Model
from serve.errors import CODES
from serve.predicted_rows import PredictedRows
from serve.questions import RECOMMEND
from serve.recommendations import Answer
from serve.rows import Row, Shape

Parameters = Mapping[str, str]
Record = dict[str, Any]


class Frame(NamedTuple):
    """What stands before, between and behind the items of an answer."""

    before: bytes
    between: bytes
    behind: bytes


@dataclass(frozen=True, slots=True)
class Renderer:
    """How answers of one media type are written.

    Attributes:
        items: predictions to an item a row.
        answer: the answer to a question to its item.
        fault: a message to the item that stands in the stead of a row that can't be
            answered.
        frame: of an answer with these predictions to a request of that shape, with
            these parameters.
    """

    items: Callable[[PredictedRows, Parameters], list[bytes]]
    answer: Callable[[Answer, Parameters], bytes]
    fault: Callable[[str], bytes]
    frame: Callable[[Shape, Parameters, PredictedRows], Frame]

    def __call__(
        self,
        predictions: PredictedRows,
        shape: Shape,
        parameters: Parameters,
        others: Mapping[int, str | Answer] | None = None,
    ) -> bytes:
        """The whole answer; ``others`` are rows that aren't among the predictions, by
        place: faults and answers.
        """
        items = self.items(predictions, parameters)
        if others:
            rest, places = iter(items), range(len(items) + len(others))
            items = [
                self._item(others[place], parameters) if place in others else next(rest)
                for place in places
            ]
        frame = self.frame(shape, parameters, predictions)
        return (frame.before + frame.between.join(items) + frame.behind).removesuffix(
            b"\n"
        )

    def _item(self, other: str | Answer, parameters: Parameters) -> bytes:
        return (
            self.fault(other)
            if isinstance(other, str)
            else self.answer(other, parameters)
        )

    def stream(
        self, blocks: Iterable[PredictedRows], parameters: Parameters, shape: Shape
    ) -> Iterator[bytes]:
        """The same answer in parts, one or more rows each."""
        frame: Frame | None = None
        for block in blocks:
            items = self.items(block, parameters)
            before = frame.between if frame else b""
            if frame is None:
                frame = self.frame(shape, parameters, block)
                before = frame.before
            yield before + frame.between.join(items)
        yield frame.behind if frame else b""


def csv_items(predictions: PredictedRows, parameters: Parameters) -> list[bytes]:
    """A line a row: the rating in stars, such as ``4.0``; with ``verbose=true`` all the
    columns of `csv_frame`.
    """
    names = class_names(predictions.class_values)
    ratings = [names[index] for index in predictions.predictions.class_index.tolist()]
    if not ratings or not _is_verbose(parameters):
        return ratings
    rows = _probabilities(predictions)[2:-2].split(b"],[")
    columns = zip(
        ratings, predictions.predictions.expected_rating.tolist(), rows, strict=True
    )
    return [
        b"%b,%b,%b" % (rating, repr(mean).encode(), row)
        for rating, mean, row in columns
    ]


def csv_rating(model: Model, row: Row) -> bytes:
    """The answer that `csv_items` makes of one row where nothing but its rating is
    asked, with less around it.
    """
    predictions = model.predict_features(model.spec.row(*row))
    return class_names(model.class_values)[predictions.class_index.item()]


def csv_answer(answer: Answer, parameters: Parameters) -> bytes:
    """A line: of recommendations the movie ids, best first, and with ``verbose=true``
    the expected rating behind each.

    Where fewer movies are left than were wanted, the last fields are empty.
    """
    predictions, wanted = answer.predictions, answer.question.wanted
    if wanted is None:
        return csv_items(predictions, parameters)[0]
    fields = [str(movie_id) for movie_id in predictions.queries.movie_id.tolist()]
    n_missing, between = wanted.count - len(fields), ","
    if _is_verbose(parameters):
        means = predictions.predictions.expected_rating.tolist()
        fields = [
            f"{movie_id},{mean!r}" for movie_id, mean in zip(fields, means, strict=True)
        ]
        between = ",,"
    return (
        (",".join(fields) + between * n_missing)
        .removeprefix("," if not fields else "")
        .encode()
    )


def csv_frame(
    shape: Shape, parameters: Parameters, predictions: PredictedRows
) -> Frame:
    """With ``header=present`` the first line names the columns.

    They are rating and, where verbose, expected_rating and ``probability_<stars>`` for
    each class, rising; or, of as many recommendations as ``recommend`` says,
    ``movieId_1``, where verbose ``expected_rating_1``, and so on.
    """
    del shape  # CSV has but one
    if parameters.get("header") != "present":
        return _LINES
    if count := int(parameters.get(RECOMMEND, 0)):
        names = (
            (MOVIE_ID, "expected_rating") if _is_verbose(parameters) else (MOVIE_ID,)
        )
        return Frame(
            ",".join(
                f"{name}_{n}" for n in range(1, count + 1) for name in names
            ).encode()
            + b"\n",
            b"\n",
            b"",
        )
    more = [
        b"expected_rating",
        *(b"probability_" + name for name in class_names(predictions.class_values)),
    ]
    return Frame(
        b",".join([b"rating", *(more if _is_verbose(parameters) else ())]) + b"\n",
        b"\n",
        b"",
    )


def csv_fault(message: str) -> bytes:
    """One quoted field."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(
        [f"error: {message}"]
    )
    return line.getvalue().encode()


def json_items(predictions: PredictedRows, parameters: Parameters) -> list[bytes]:
    """An object a row."""
    del parameters
    return [orjson.dumps(record) for record in records(predictions)]


def json_answer(answer: Answer, parameters: Parameters) -> bytes:
    """An object; each movie in a list of recommendations is as it would be predicted,
    but for what says of the user.
    """
    del parameters
    found = records(answer.predictions)
    if answer.question.wanted is None:
        return orjson.dumps(found[0] | {USER_ID: answer.question.user_id})
    movies = [
        {name: value for name, value in record.items() if name not in _OF_THE_USER}
        for record in found
    ]
    user = {USER_ID: answer.question.user_id, "known_user": answer.knows_user}
    return orjson.dumps(user | {"recommendations": movies})


def json_frame(
    shape: Shape, parameters: Parameters, predictions: PredictedRows
) -> Frame:
    """In the shape of the request: one object, a list, or ``{"predictions": [...]}``
    for instances.
    """
    del parameters, predictions
    return _JSON_FRAMES[shape]


def json_lines_frame(
    shape: Shape, parameters: Parameters, predictions: PredictedRows
) -> Frame:
    """One object a line."""
    del shape, parameters, predictions
    return _LINES


def json_fault(message: str) -> bytes:
    """An object as a refusal has it."""
    return orjson.dumps({"error": {"code": CODES[400], "message": message}})


_LINES = Frame(b"", b"\n", b"")
_OF_THE_USER = {USER_ID, "known_user", "known_movie"}
_JSON_FRAMES = {
    Shape.OBJECT: Frame(b"", b"", b""),
    Shape.LIST: Frame(b"[", b",", b"]"),
    Shape.INSTANCES: Frame(b'{"predictions":[', b",", b"]}"),
}

render_csv = Renderer(csv_items, csv_answer, csv_fault, csv_frame)
render_json = Renderer(json_items, json_answer, json_fault, json_frame)
render_json_lines = Renderer(json_items, json_answer, json_fault, json_lines_frame)


def records(predictions: PredictedRows) -> list[Record]:
    """All that is known of each row."""
    names, movies = (
        list(map(bytes.decode, class_names(predictions.class_values))),
        predictions.movies,
    )
    columns = zip(
        predictions.queries.user_id.tolist(),
        predictions.queries.movie_id.tolist(),
        predictions.movie_index.tolist(),
        predictions.predictions.class_index.tolist(),
        predictions.predictions.expected_rating.tolist(),
        orjson.loads(
            _probabilities(predictions)
        ),  # Python floats that are written with the same digits again
        predictions.knows_user.tolist(),
        strict=True,
    )
    found = [
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
    for record, contributions in zip(
        found, predictions.contributions or (), strict=False
    ):
        record["contributions"] = contributions
    return found


@lru_cache(maxsize=64)
def class_names(class_values: tuple[float, ...]) -> tuple[bytes, ...]:
    """Stars as answers write them."""
    return tuple(repr(value).encode() for value in class_values)


def _is_verbose(parameters: Parameters) -> bool:
    return parameters.get("verbose") == "true"


def _probabilities(predictions: PredictedRows) -> bytes:
    """The matrix as JSON; of float32, orjson writes the shortest form that reads back
    as the same float32.
    """
    return orjson.dumps(
        predictions.predictions.probabilities, option=orjson.OPT_SERIALIZE_NUMPY
    )
