"""The whole job on real data, from ml-latest-small to answers.

1. Train on ml-latest-small with the tutorial's split.
2. Serve the model and ask it about raw ids.
3. Print the answers, and the accuracy beside that of the baselines.

If a Docker engine answers, the image does it; otherwise the same entry points run as
processes. The split is the tutorial's, so the figures compare with the tutorial's own.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from container.engine import engine_answers
from container.image import build
from container.job_folder import make_job_folder
from container.runtime import DockerRuntime, ProcessRuntime, Runtime, RuntimeFailedError
from movielens.evaluation import Evaluation, evaluation_table

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "ml-latest-small"
BASE_DIR = ROOT / "build" / "demo"
OUTPUT = BASE_DIR / "output" / "data"
HYPERPARAMETERS = {"split": "tutorial", "save_predictions": "true"}

N_TEST_ROWS = 8
# MovieLens has no such user and no such movie; they show how unknown ids are answered.
UNKNOWN = {"userId": 999_999_999, "movieId": 999_999_999, "timestamp": 1_537_799_250}

# The width of a table where the output is a pipe, which has no width of its own.
PIPE_WIDTH = 120

console = Console(
    highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH, markup=False
)


def main() -> None:
    """Run all steps; exits with 1 and the reason if one fails."""
    started = time.monotonic()
    runtime = choose_runtime()
    console.rule(f"Halfstar on ml-latest-small: {runtime.describe()}")
    shutil.rmtree(BASE_DIR, ignore_errors=True)
    make_job_folder(BASE_DIR, DATA, HYPERPARAMETERS)

    try:
        console.rule("1. train", align="left")
        runtime.train(BASE_DIR)

        console.rule("2. serve, and ask about raw ids", align="left")
        test_rows = choose_test_rows(OUTPUT / "predictions.csv")
        questions = [question(row) for row in test_rows]
        with runtime.serve(BASE_DIR) as url:
            answers = ask(url, [*questions, UNKNOWN])
    except RuntimeFailedError as error:
        sys.exit(f"failed: {error}")
    console.print(answer_table(test_rows, answers))

    console.rule("3. accuracy", align="left")
    saved = json.loads((OUTPUT / "evaluation.json").read_bytes())
    console.print(evaluation_table(Evaluation.from_json(saved).figures))
    console.print(f"model       {BASE_DIR / 'model'}")
    console.print(f"evaluation  {OUTPUT}")
    console.print(f"report      {OUTPUT / 'report.html'}")
    console.print(f"done in {time.monotonic() - started:.0f} s")


def choose_runtime() -> Runtime:
    """Docker with a freshly built image, or processes if no engine answers."""
    if engine_answers():
        return DockerRuntime(build().tag)
    return ProcessRuntime()


def choose_test_rows(predictions: Path) -> list[dict[str, str]]:
    """A few test rows, spread evenly over the file.

    The model never saw them, and we know their ratings. Each is a row of
    ``predictions.csv`` plus the timestamp of its rating.
    """
    timestamps = {}
    for row in _rows(DATA / "ratings.csv"):
        timestamps[row["userId"], row["movieId"]] = row["timestamp"]

    rows = _rows(predictions)
    step = len(rows) // N_TEST_ROWS
    chosen = rows[::step][:N_TEST_ROWS]
    for row in chosen:
        row["timestamp"] = timestamps[row["userId"], row["movieId"]]
    return chosen


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def question(row: dict[str, str]) -> dict[str, int]:
    """The part of a row that a client sends: ids and time, not the rating."""
    return {name: int(row[name]) for name in UNKNOWN}


def ask(url: str, questions: list[dict[str, int]]) -> list[dict[str, Any]]:
    """POST the raw ids as JSON; gives an answer for each."""
    request = urllib.request.Request(
        f"{url}/invocations",
        json.dumps(questions).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    first_two = json.dumps(questions[:2]).removesuffix("]")
    console.print(f"POST {url}/invocations  {first_two}, …]")
    with urllib.request.urlopen(request, timeout=30) as response:
        answers: list[dict[str, Any]] = json.loads(response.read())
    return answers


def answer_table(
    test_rows: list[dict[str, str]], answers: list[dict[str, Any]]
) -> Table:
    """One line an answer: the title, the prediction, and the user's own rating.

    The last answers may be about ids that aren't in the data, so nobody has rated them.
    """
    table = Table(
        *("userId", "movieId", "title", "genres", "predicted", "expected", "actual"),
        title="ratings in stars, for test rows and for unknown ids",
    )
    n_unknown = len(answers) - len(test_rows)
    actual_ratings = [row["rating"] for row in test_rows] + ["?"] * n_unknown

    for answer, actual in zip(answers, actual_ratings, strict=True):
        kinds = [kind for kind in ("user", "movie") if not answer[f"known_{kind}"]]
        table.add_row(
            str(answer["userId"]),
            str(answer["movieId"]),
            answer["title"] or f"(unknown {' and '.join(kinds)})",
            ", ".join(answer["genres"] or ()),
            f"{answer['rating']:.1f}",
            f"{answer['expected_rating']:.2f}",
            actual,
        )
    return table


if __name__ == "__main__":
    main()
