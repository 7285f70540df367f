"""The main job on real data: train on ml-latest-small, serve the model, ask raw ids,
show what came of it.

It runs the image where a Docker engine answers and the same entry points as processes
otherwise. The split is the tutorial's, so the table can be read beside the tutorial's
own figures.
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
from container.layout import lay_out
from container.runtime import DockerRuntime, ProcessRuntime, Runtime, RuntimeFailedError

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "ml-latest-small"
BASE_DIR = ROOT / "build" / "demo"
HYPERPARAMETERS = {"split": "tutorial", "save_predictions": "true"}
N_QUESTIONS = 8
# No MovieLens user or movie has such an id: they show what an unknown one is answered.
UNKNOWN = {"userId": 999_999_999, "movieId": 999_999_999, "timestamp": 1_537_799_250}

# A pipe has no width of its own; titles need some.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> None:
    """Run it all; exits 1 with the reason where a step failed."""
    started = time.monotonic()
    runtime = choose_runtime()
    console.rule(f"Halfstar on ml-latest-small: {runtime.describe()}")
    shutil.rmtree(BASE_DIR, ignore_errors=True)
    lay_out(BASE_DIR, DATA, HYPERPARAMETERS)
    try:
        console.rule("1. train", align="left")
        runtime.train(BASE_DIR)
        console.rule("2. serve, and ask raw ids", align="left")
        questions = choose_questions(BASE_DIR / "output" / "data" / "predictions.csv")
        with runtime.serve(BASE_DIR) as url:
            answers = ask(
                url,
                [{name: int(row[name]) for name in UNKNOWN} for row in questions]
                + [UNKNOWN],
            )
    except RuntimeFailedError as error:
        sys.exit(f"failed: {error}")
    console.print(answer_table(questions, answers))
    console.rule("3. accuracy", align="left")
    evaluation = json.loads(
        (BASE_DIR / "output" / "data" / "evaluation.json").read_bytes()
    )
    console.print(accuracy_table(evaluation))
    console.print(
        f"model       {BASE_DIR / 'model'}\nevaluation  {BASE_DIR / 'output' / 'data'}"
    )
    console.print(f"done in {time.monotonic() - started:.0f} s")


def choose_runtime() -> Runtime:
    """Docker with a freshly built image, or processes."""
    if not engine_answers():
        return ProcessRuntime()
    image = build()
    return DockerRuntime(image.docker, image.tag)


def choose_questions(predictions: Path) -> list[dict[str, str]]:
    """A few test rows, spread evenly over the file: what the model never saw and whose
    ratings we know.
    """
    rows = _rows(predictions)
    chosen = rows[:: len(rows) // N_QUESTIONS][:N_QUESTIONS]
    timestamp = {
        (row["userId"], row["movieId"]): row["timestamp"]
        for row in _rows(DATA / "ratings.csv")
    }
    return [
        {**row, "timestamp": timestamp[row["userId"], row["movieId"]]} for row in chosen
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ask(url: str, questions: list[dict[str, int]]) -> list[dict[str, Any]]:
    """POST the raw ids as JSON."""
    request = urllib.request.Request(
        f"{url}/invocations",
        json.dumps(questions).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    console.print(f"POST {url}/invocations  {json.dumps(questions[:2])[:-1]}, …]")
    with urllib.request.urlopen(request, timeout=30) as response:
        answers: list[dict[str, Any]] = json.loads(response.read())
    return answers


def answer_table(
    questions: list[dict[str, str]], answers: list[dict[str, Any]]
) -> Table:
    """One line an answer: the title, what was predicted, and what the user really gave."""
    table = Table(
        "userId",
        "movieId",
        "title",
        "genres",
        "predicted",
        "expected",
        "actual",
        title="ratings in stars, of test rows and of ids that no data set has",
    )
    actual = [row["rating"] for row in questions] + ["?"] * (
        len(answers) - len(questions)
    )
    for answer, stars in zip(answers, actual, strict=True):
        unknown = " and ".join(
            kind for kind in ("user", "movie") if not answer[f"known_{kind}"]
        )
        table.add_row(
            str(answer["userId"]),
            str(answer["movieId"]),
            answer["title"] or f"(unknown {unknown})",
            ", ".join(answer["genres"] or ()),
            f"{answer['rating']:.1f}",
            f"{answer['expected_rating']:.2f}",
            stars,
        )
    return table


def accuracy_table(evaluation: dict[str, Any]) -> Table:
    """The model beside the baselines, on the same test rows."""
    table = Table(
        "",
        "exact",
        "1 class off",
        "2 off",
        "more",
        "RMSE",
        "log-loss",
        title=f"{evaluation['test']['n_rows']:,} test rows, the tutorial's split",
    )
    for name, f in {"Halfstar": evaluation["test"], **evaluation["baselines"]}.items():
        shares = (f"{100 * share:.1f} %" for share in f["distance"].values())
        table.add_row(
            name.replace("_", " "), *shares, f"{f['rmse']:.3f}", f"{f['log_loss']:.3f}"
        )
    return table


if __name__ == "__main__":
    main()
