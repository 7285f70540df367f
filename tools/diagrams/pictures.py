"""All diagrams of the docs, by the names of their files.

What they show comes from the code: numbers of rounds from the defaults of the
hyperparameters, shares of ratings from the data set, files from the artifact, accuracy
from the file of a benchmark.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from movielens import artifact
from movielens.features.groups import DEFAULT_GROUPS
from movielens.manifest import MANIFEST
from movielens.ratings import HALF_STARS, RatingScale
from tools.diagrams.svg import ANSWER, CODE, DATA, FAINT, MODEL, PLAIN, Drawing
from train.axes import Axes
from train.hyperparameters import Hyperparameters

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "docs" / "images"
# What `make bench-history` wrote.
HISTORY = ROOT / "benchmarks" / "history.json"
RATINGS = ROOT / "data" / "ml-latest-small" / "ratings.csv"


def flow() -> Drawing:
    """Raw files become answers to raw ids."""
    drawing = Drawing(820, 250, "From raw files to answers")
    top = 60
    drawing.box(10, top, 150, 76, "raw files", "ratings.csv", "movies.csv", fill=DATA)
    drawing.box(230, top, 150, 76, "train", "features, trees,", "evaluation", fill=CODE)
    drawing.box(
        450, top, 150, 76, "model.tar.gz", "trees, tables,", MANIFEST, fill=MODEL
    )
    drawing.box(670, top, 140, 76, "serve", "raw ids in,", "ratings out", fill=CODE)
    for x in (160, 380, 600):
        drawing.arrow(x, top + 38, x + 68, top + 38)

    drawing.box(670, 186, 140, 54, "1, 318", "→ 5.0 stars", fill=ANSWER)
    drawing.arrow(740, 136, 740, 184)
    drawing.box(230, 186, 370, 54, "one image, in your account or on this machine")
    drawing.words(305, 172, "launcher train", colour=FAINT)
    drawing.words(525, 172, "launcher deploy", colour=FAINT)
    drawing.words(85, 172, "launcher data", colour=FAINT)
    drawing.words(
        410, 34, "the same code makes the features in train and serve", bold=True
    )
    drawing.line(305, 42, 305, 58)
    drawing.line(740, 30, 740, 58)
    drawing.line(612, 30, 740, 30)
    return drawing


def featurizer() -> Drawing:
    """Training and serving meet in one featurizer."""
    drawing = Drawing(820, 230, "One featurizer for training and serving")
    train = ("channels", "ratings", "split", "features", "trees", "evaluation")
    serve = ("bytes", "pairs of ids", "", "features", "trees", "answer")
    for row, (y, names) in enumerate(((20, train), (160, serve))):
        drawing.words(8, y - 4, ("train", "serve")[row], bold=True, anchor="start")
        before = 0.0
        for column, name in enumerate(names):
            x = 10 + column * 136
            if name:
                fill = CODE if name == "features" else PLAIN
                drawing.box(x, y, 112, 44, name, fill=fill)
                if before:
                    drawing.arrow(before, y + 22, x - 2, y + 22)
                before = x + 112
    drawing.box(372, 88, 204, 46, "FeatureSpec", "fitted once, used twice", fill=MODEL)
    drawing.arrow(474, 64, 474, 86)
    drawing.arrow(474, 134, 474, 158)
    return drawing


def folds() -> Drawing:
    """The features of a fold come from the other folds."""
    n_folds = 6
    drawing = Drawing(820, 270, "Out-of-fold features")
    drawing.words(
        10, 24, "training rows in folds, by a hash of their ids", anchor="start"
    )
    width = 78
    for row in range(3):
        y = 44 + row * 62
        for fold in range(n_folds):
            is_own = fold == row
            fill = ANSWER if is_own else DATA
            words = "no look" if is_own else "look"
            drawing.box(10 + fold * (width + 6), y, width, 40, words, fill=fill)
        x = 10 + n_folds * (width + 6)
        drawing.arrow(x, y + 20, x + 50, y + 20)
        drawing.box(x + 54, y, 240, 40, f"features of fold {row + 1}", fill=CODE)
    drawing.words(
        10,
        256,
        "A row's own rating is never in the tables that its features come from.",
        anchor="start",
        bold=True,
    )
    return drawing


def parts() -> Drawing:
    """Which rounds answer which rows."""
    defaults = Hyperparameters()
    n_main = defaults.num_round
    chains = (
        ("known user with a time", "movie, user and moment", 560, 1.0),
        ("known user, no time", "movie and user", 400, defaults.user_rounds),
        ("new user with a time", "movie and date", 300, defaults.date_rounds),
        ("new user, no time", "the movie", 260, defaults.movie_rounds),
    )
    drawing = Drawing(820, 292, "Four chains of rounds, and the rows that they answer")
    # A round that looks at less is narrower, so the bars aren't to scale.
    for number, (who, what, width, share) in enumerate(chains):
        y = 36 + number * 64
        n_rounds = round(share * n_main)
        drawing.words(10, y + 29, who, anchor="start")
        drawing.box(200, y, width, 48, f"{n_rounds} rounds", f"see {what}", fill=CODE)
    drawing.words(
        200, 22, "gates keep the rows of others out", colour=FAINT, anchor="start"
    )
    return drawing


def stars() -> Drawing:
    """How often each rating is given in ml-latest-small."""
    counts = Counter(
        line.split(",")[2] for line in RATINGS.read_text().splitlines()[1:]
    )
    total = sum(counts.values())
    drawing = Drawing(820, 250, "Ratings in ml-latest-small")
    drawing.words(10, 24, "share of ratings in ml-latest-small", anchor="start")
    for place, name in enumerate(sorted(counts, key=float)):
        share = counts[name] / total
        height = 600 * share
        x = 40 + place * 76
        is_whole = name.endswith(".0")
        fill = "#60a5fa" if is_whole else "#fbbf24"
        drawing.bar(x, 220 - height, 52, height, fill)
        drawing.words(x + 26, 214 - height, f"{100 * share:.1f} %", colour=FAINT)
        drawing.words(x + 26, 240, f"{name} ★")
    return drawing


def axes() -> Drawing:
    """How far a step along each axis moves each class."""
    scale = RatingScale(HALF_STARS)
    names = ("location", "spread", "halves")
    drawing = Drawing(820, 330, "How far each class moves with a step along each axis")
    for row, (name, shares) in enumerate(
        zip(names, Axes.of(scale).shares.tolist(), strict=True)
    ):
        middle = 60 + row * 96
        drawing.words(10, middle + 5, name, bold=True, anchor="start")
        drawing.line(120, middle, 810, middle)
        for place, share in enumerate(shares):
            height = 70 * abs(share)
            top = middle - height if share > 0 else middle
            fill = "#60a5fa" if share > 0 else "#fbbf24"
            drawing.bar(130 + place * 68, top, 46, height, fill)
    for place, stars in enumerate(HALF_STARS):
        drawing.words(153 + place * 68, 318, f"{stars} ★")
    return drawing


def resume() -> Drawing:
    """An interrupted job ends with the model of one that wasn't."""
    step = Hyperparameters().checkpoint_rounds
    drawing = Drawing(820, 220, "Resuming from a checkpoint")
    drawing.words(10, 34, "undisturbed", anchor="start", bold=True)
    drawing.words(10, 94, "first attempt", anchor="start", bold=True)
    drawing.words(10, 154, "second attempt", anchor="start", bold=True)
    left, wide = 140, 46
    for number in range(9):
        x = left + number * wide
        drawing.box(x, 14, wide, 30, str(step * (number + 1)), fill=CODE)
        if number < 4:
            drawing.box(x, 74, wide, 30, str(step * (number + 1)), fill=CODE)
        if number >= 4:
            drawing.box(x, 134, wide, 30, str(step * (number + 1)), fill=CODE)
    end = left + 9 * wide
    drawing.words(
        left + 4 * wide + 12,
        94,
        "✕ capacity is taken away",
        anchor="start",
        colour="#b91c1c",
    )
    drawing.arrow(left + 4 * wide, 106, left + 4 * wide, 132)
    drawing.words(
        left,
        196,
        f"a checkpoint every {step} rounds; each round has a seed of its own",
        anchor="start",
        colour=FAINT,
    )
    drawing.box(end + 60, 64, 150, 50, "the same model", "bit for bit", fill=MODEL)
    drawing.arrow(end, 29, end + 90, 62)
    drawing.arrow(end, 149, end + 90, 116)
    return drawing


def artifact_files() -> Drawing:
    """What is in a model, and who reads it."""
    drawing = Drawing(820, 232, "Files of a model and their readers")
    files = (
        (
            artifact.FEATURES,
            "users, catalogue, tables",
            f"{len(DEFAULT_GROUPS)} groups of features",
        ),
        (artifact.FOREST, "flat trees", "answers"),
        (artifact.BOOSTER, "XGBoost's trees", "contributions"),
        (artifact.SELF_TEST, "questions and answers", "the start, /ping"),
    )
    for number, (name, what, use) in enumerate(files):
        y = 14 + number * 52
        drawing.box(200, y, 200, 42, name, what, fill=MODEL)
        drawing.box(500, y, 200, 42, use, fill=CODE)
        drawing.arrow(400, y + 21, 498, y + 21)
        drawing.line(150, 116, 198, y + 21)
    drawing.box(10, 90, 140, 52, MANIFEST, "a hash of each", fill=MODEL)
    return drawing


CURVE_COLOURS = {
    "the latest before": "#2563eb",
    "random ones": "#d97706",
    "the most telling": "#15803d",
}


class Axis(NamedTuple):
    """How a figure is drawn.

    Attributes:
        figure: its name in the file.
        name: above the panel.
        step: from mark to mark.
        form: of a mark.
    """

    figure: str
    name: str
    step: float
    form: str


def new_users() -> Drawing:
    """What so many ratings of a new user are worth, by the way they are chosen."""
    measured = json.loads(HISTORY.read_text())
    drawing = Drawing(820, 330, "Accuracy by the number of ratings in the history")
    rmse = Axis("rmse", "RMSE, stars", 0.05, "{:.2f}")
    exact = Axis("exact", "exact ratings", 0.05, "{:.0%}")
    _history_panel(drawing, measured, 60, rmse)
    _history_panel(drawing, measured, 480, exact)
    for number, (way, colour) in enumerate(CURVE_COLOURS.items()):
        x = 80 + number * 175
        drawing.curve([(x, 312), (x + 26, 312)], colour)
        drawing.words(x + 34, 316, way, anchor="start")
    drawing.line(600, 312, 626, 312)
    drawing.words(634, 316, "known by training", anchor="start")
    return drawing


def _history_panel(
    drawing: Drawing,
    measured: dict[str, Any],
    left: float,
    axis: Axis,
) -> None:
    """One figure, with its 95 % intervals."""
    top, bottom, step = 44.0, 252.0, 48.0
    figure = axis.figure
    curve = measured["curve"]
    counts = list(next(iter(curve.values())))
    lines = {}
    for way, by_count in curve.items():
        between = [by_count[count][figure] for count in counts]
        lines[way] = [measured["unknown"][figure], *between]
        lines[way].append(measured["by history"][figure])
    known: float = measured["known by training"][figure][0]

    ends = [end for line in lines.values() for interval in line for end in interval]
    first_mark: int = math.floor(min(*ends, known) / axis.step)
    last_mark: int = math.ceil(max(*ends, known) / axis.step)
    low = first_mark * axis.step
    high = last_mark * axis.step

    def height(value: float) -> float:
        above = (value - low) / (high - low)
        return bottom - above * (bottom - top)

    drawing.words(left - 30, 26, axis.name, anchor="start", bold=True)
    names = ["0", *counts, "all"]
    for number, name in enumerate(names):
        drawing.words(left + number * step, 270, name, colour=FAINT)
    right = left + (len(names) - 1) * step
    drawing.words((left + right) / 2, 288, "ratings in the history", colour=FAINT)
    drawing.line(left - 10, height(known), right + 10, height(known))
    for mark in range(first_mark, last_mark + 1):
        value = mark * axis.step
        text = axis.form.format(value)
        drawing.words(left - 16, height(value) + 4, text, colour=FAINT, anchor="end")
    for place, (way, line) in enumerate(lines.items()):
        # Beside each other, so that intervals can be told apart.
        first = left + (place - 1) * 5
        points = []
        for number, (value, lowest, highest) in enumerate(line):
            x = first + number * step
            drawing.span(x, height(lowest), height(highest), CURVE_COLOURS[way])
            points.append((x, height(value)))
        drawing.curve(points, CURVE_COLOURS[way])


PICTURES: dict[str, Callable[[], Drawing]] = {
    "flow.svg": flow,
    "featurizer.svg": featurizer,
    "folds.svg": folds,
    "axes.svg": axes,
    "parts.svg": parts,
    "stars.svg": stars,
    "resume.svg": resume,
    "files.svg": artifact_files,
    "new-users.svg": new_users,
}


def pictures() -> dict[str, str]:
    """The text of each file."""
    return {name: draw().svg() for name, draw in PICTURES.items()}
