"""What the demonstration asks and prints; `make run` is the whole of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from container.demo import N_TEST_ROWS, UNKNOWN, answer_table, choose_test_rows

HEADER = "userId,movieId,rating"


def test_test_rows_are_spread_over_the_file_and_know_their_time(
    data_dir: Path, tmp_path: Path
) -> None:
    _, *ratings = (data_dir / "ratings.csv").read_text().splitlines()
    rows = [line.rpartition(",")[0] for line in ratings[:80]]
    predictions = tmp_path / "predictions.csv"
    predictions.write_text("\n".join([HEADER, *rows, ""]))

    chosen = choose_test_rows(predictions)

    assert len(chosen) == N_TEST_ROWS
    assert [row["movieId"] for row in chosen] == [
        line.split(",")[1] for line in ratings[:80:10]
    ]
    assert [row["timestamp"] for row in chosen] == [
        line.split(",")[3] for line in ratings[:80:10]
    ]


def test_the_table_has_a_line_for_an_id_that_nobody_has_rated() -> None:
    unknown: dict[str, Any] = {
        "userId": UNKNOWN["userId"],
        "movieId": UNKNOWN["movieId"],
        "title": None,
        "genres": None,
        "known_user": False,
        "known_movie": False,
        "rating": 3.5,
        "expected_rating": 3.42,
    }
    table = answer_table([], [unknown])
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[2] == "(unknown user and movie)"
    assert cells[-3:] == ["3.5", "3.42", "?"]
