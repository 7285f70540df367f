from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from movielens.errors import RequestError
from movielens.model import Model
from serve.formats.json_format import JSON
from serve.formats.json_lines_format import JSON_LINES
from serve.formats.json_records import read_record, records_of
from serve.formats.json_text import load_json
from serve.predicted_rows import PredictedRows
from tests.serve.written import as_written

values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("ax1", max_size=5)
    | st.just([])
    | st.just({})
)
names = st.sampled_from(["userId", "movieId", "timestamp", "rating", "instances"])


@given(st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=3))
@example([{"userId": 1, "movieId": 2, "timestamp": True}])
@example([{"userId": 2**70, "movieId": 2}])
def test_json_and_json_lines_agree(records: list[dict[str, Any]]) -> None:
    def outcome(read: Any, body: str) -> object:
        try:
            return as_written(read(body.encode()).whole().queries)
        except RequestError as error:
            return str(error)

    as_json = json.dumps(records)
    as_lines = "\n".join(map(json.dumps, records))
    assert outcome(JSON.parser.strict, as_json) == outcome(
        JSON_LINES.parser.strict, as_lines
    )


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 20, "9" * 25, "-" + "9" * 19])
def test_a_number_beyond_64_bits_is_no_id_however_it_was_read(digits: str) -> None:
    quick = load_json(b"[%b]" % digits.encode())
    slow = load_json(b"[%b, NaN]" % digits.encode())
    assert quick[0] == slow[0]
    assert type(quick[0]) is type(slow[0])
    with pytest.raises(RequestError, match="userId is "):
        read_record(1, {"userId": quick[0], "movieId": 1})


def test_records_say_exactly_what_was_computed(
    predicted: PredictedRows, model: Model
) -> None:
    records = json.loads(JSON.renderer.whole(predicted))
    names = [str(stars) for stars in model.class_values]
    assert all(list(record["probabilities"]) == names for record in records)
    rows = [list(record["probabilities"].values()) for record in records]
    probabilities = np.array(rows, dtype=np.float32)
    np.testing.assert_array_equal(probabilities, predicted.predicted.probabilities)
    means = [record["expected_rating"] for record in records]
    assert means == predicted.predicted.expected_rating.tolist()
    ratings = [record["rating"] for record in records]
    assert ratings == predicted.predicted.rating.tolist()


def test_records_name_the_movie_and_flag_the_unknown(
    predicted: PredictedRows, model: Model
) -> None:
    records = records_of(predicted)
    listed = zip(records, model.movies.title, model.movies.genres, strict=False)
    for record, title, genres in listed:
        assert record["known_movie"]
        assert (record["title"], record["genres"]) == (title, genres)
    for record in records[-2:]:
        assert not record["known_movie"]
        assert (record["title"], record["genres"]) == (None, None)
    queries = predicted.queries
    known_users = [record["known_user"] for record in records]
    assert known_users == model.knows_user(queries.user_id).tolist()
    assert [record["userId"] for record in records] == queries.user_id.tolist()
    assert [record["movieId"] for record in records] == queries.movie_id.tolist()
