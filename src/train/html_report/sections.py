"""The sections of the page, from the headline to the versions of libraries.

Each function takes the material, and the numbers that were measured for the report
where it needs them, and gives the HTML of a section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from movielens.assembly import DUPLICATE
from movielens.bad_rows import BAD_ROW
from movielens.evaluation import BASELINE_WORDS, DISTANCES, FIGURE_NAMES, Figures
from movielens.pages.charts import (
    Bar,
    Line,
    Span,
    bar_chart,
    heat_map,
    line_chart,
    span_chart,
    stacked_chart,
)
from movielens.pages.markup import Markup, element, joined
from movielens.pages.tables import Table, figure, paragraph, percent, section
from movielens.report_numbers import Bin, Point, ReportNumbers
from train.html_report.errors import EvaluatedRows
from train.html_report.importance import Importance, measure_importance
from train.html_report.learning import MOST_ROWS
from train.html_report.material import Material
from train.hyperparameters import Hyperparameters

# How many features a chart shows.
_SHOWN_FEATURES = 15
# How many files are listed; a job may have thousands.
_SHOWN_FILES = 50

_WORDS = {
    "test": "model",
    "train": "model on training rows",
    **BASELINE_WORDS,
    "base": "time, genres, year",
    "blend": "blends of groups",
}
# By the end of the reason, which may begin with a channel.
_WHY_DROPPED = {
    DUPLICATE: "the user rated the movie again later",
    BAD_ROW: "a value can't be used; on_bad_row is drop",
    "also in validation": "tested, so not trained on",
}
_DISTANCE_WORDS = ("exact", "1 class off", "2 off", "more")


def headline(material: Material) -> Markup:
    """How good the model is, in a sentence, in figures and beside the baselines."""
    evaluation = material.evaluation
    test = evaluation.test
    parts: list[Markup] = []
    if test is None:
        parts.append(
            paragraph("There are no test rows: these figures are of training rows.")
        )
    else:
        parts.append(paragraph(_in_a_sentence(test, evaluation.baselines), "lead"))
        parts.append(_tiles(test, evaluation.baselines))
    if evaluation.booster.stopped:
        parts.append(paragraph("Training was stopped early by SIGTERM.", "warning"))
    in_order = {"test": test} if test else {}
    in_order |= {**evaluation.baselines, "train": evaluation.train}
    parts.append(_figures_table(in_order).to_html())
    heading = element("h2", {"id": "figures", "class": "unseen"}, "Figures")
    return element("section", {"aria-labelledby": "figures"}, heading, *parts)


def classes(material: Material) -> Markup:
    """Distances, confusion and calibration."""
    evaluation = material.evaluation
    figures = evaluation.test or evaluation.train
    return section(
        "classes",
        "How far predictions are off",
        _distances({"test": figures, **evaluation.baselines}),
        _calibration(figures),
        _confusion(figures),
    )


def training(material: Material, numbers: ReportNumbers) -> Markup:
    """The loss over the rounds, on test rows and on those for early stopping."""
    booster = material.evaluation.booster
    rounds = [
        ("of the classes, with all features", f"{booster.main_rounds:,}"),
        ("of the classes, with less", f"{booster.branch_rounds:,}"),
        ("of the regression", f"{booster.regression_rounds:,}"),
    ]
    return section(
        "training",
        "Training",
        _curve(material, numbers.learning_curve),
        stage_figure(material.evaluation.to_json().get("stages", [])),
        Table("rounds of boosting", ("booster", "rounds"), rounds).to_html(),
        Table(
            "versions", ("library", "version"), [*material.evaluation.versions.items()]
        ).to_html(),
    )


def errors(material: Material, numbers: ReportNumbers) -> Markup:
    """The error for cold and warm users and movies, genres and times."""
    if not len(material.test):
        return Markup("")
    rows = EvaluatedRows.of(material.model, material.test, material.predictions)
    bins = {
        "By ratings of the user": numbers.by_user_ratings,
        "By ratings of the movie": numbers.by_movie_ratings,
        "By genre": rows.by_genre(),
        "By decade of the movie": rows.by_movie_year(),
        "By year of the rating": rows.by_rating_year(),
    }
    notes = {
        "By ratings of the user": "How many ratings of the user training saw.",
        "By ratings of the movie": "How many ratings of the movie training saw.",
        "By genre": "A movie counts in each of its genres.",
    }
    figures = [
        _error_figure(title, each, notes.get(title, ""))
        for title, each in bins.items()
        if each
    ]
    note = (
        f"Root mean squared error of the expected rating, in stars, on {len(rows):,} "
        "test rows. The whiskers are 95 % intervals: the fewer rows, the wider."
    )
    return section("errors", "Where it errs", *figures, note=note)


def importance(material: Material) -> Markup:
    """Gain and SHAP values, by group and by feature."""
    rows = material.test if len(material.test) else material.train
    found = measure_importance(
        material.model,
        material.booster,
        material.regression,
        rows,
        material.nthread,
    )
    title = "What the trees look at"
    return section("importance", title, _gain(found), _group_stars(found), _shap(found))


def data(material: Material) -> Markup:
    """Counts, the histogram of ratings, and what was dropped."""
    counts = material.evaluation.data
    numbers = {
        "ratings read": counts.n_ratings,
        "users": counts.n_users,
        "movies of the catalogue": counts.n_movies,
        "training rows": counts.n_train,
        "of these, from an earlier model": counts.n_earlier,
        "test rows": counts.n_test,
    }
    rows = [(name, f"{number:,}") for name, number in numbers.items()]
    dropped = [
        (reason.replace("_", " "), f"{n_rows:,}", _why_dropped(reason))
        for reason, n_rows in counts.dropped.items()
    ]
    dropped_table = Table(
        "dropped rows", ("reason", "rows", "why"), dropped, is_text=True
    )
    names = [(name,) for name in counts.files[:_SHOWN_FILES]]
    files = Table(f"files ({len(counts.files):,})", ("file",), names, is_text=True)
    return section(
        "data",
        "Data",
        _histogram(material),
        Table("counts", ("what", "number"), rows).to_html(),
        dropped_table.to_html(),
        files.to_html(),
    )


def settings(material: Material) -> Markup:
    """All hyperparameters; those that were set come first."""
    defaults = Hyperparameters().to_json()
    given: list[tuple[str, ...]] = []
    usual: list[tuple[str, ...]] = []
    for name, value in material.evaluation.hyperparameters.items():
        default = defaults.get(name, "")
        if value == default:
            usual.append((name, _plain(value)))
        else:
            given.append((name, _plain(value), _plain(default)))

    header = ("name", "value", "default")
    tables = [Table("as by default", header[:2], usual, is_text=True)]
    if given:
        tables.insert(0, Table("set otherwise", header, given, is_text=True))
    parts = [table.to_html() for table in tables]
    return section("settings", "Hyperparameters", *parts)


# The headline


def _in_a_sentence(test: Figures, baselines: Mapping[str, Figures]) -> str:
    text = (
        f"On {test.n_rows:,} test ratings the expected rating is off by "
        f"{test.mae:.2f} stars on average. {percent(test.accuracy)} of the ratings "
        "are predicted exactly."
    )
    if not baselines:
        return text
    name = min(baselines, key=lambda each: baselines[each].rmse)
    gain = 1 - test.rmse / baselines[name].rmse
    word = "below" if gain >= 0 else "above"
    return (
        f"{text} The RMSE is {percent(abs(gain))} {word} that of the best baseline, "
        f"the {_WORDS.get(name, name)}."
    )


def _tiles(test: Figures, baselines: Mapping[str, Figures]) -> Markup:
    values = {
        "exact": ("accuracy", True),
        "RMSE, stars": ("rmse", False),
        "MAE, stars": ("mae", False),
        "log-loss": ("log_loss", False),
    }
    tiles: list[Markup] = []
    for title, (name, more_is_better) in values.items():
        best = _best(name, baselines, more_is_better)
        shown = _shown(name, getattr(test, name))
        parts = [
            element("dt", None, title),
            element("dd", {"class": "value"}, shown),
        ]
        if best is not None:
            said = f"best baseline {_shown(name, best)}"
            parts.append(element("dd", {"class": "beside"}, said))
        tiles.append(element("div", None, *parts))
    return element("dl", {"class": "tiles"}, *tiles)


def _best(
    name: str, baselines: Mapping[str, Figures], more_is_better: bool
) -> float | None:
    values = [float(getattr(each, name)) for each in baselines.values()]
    if not values:
        return None
    return max(values) if more_is_better else min(values)


def _shown(name: str, value: float) -> str:
    return percent(value) if name == "accuracy" else f"{value:.3f}"


def _figures_table(figures: Mapping[str, Figures]) -> Table:
    header = ("predictor", *FIGURE_NAMES, "calibration error")
    rows = [
        _figures_row(_WORDS.get(name, name), each) for name, each in figures.items()
    ]
    return Table("the model beside the baselines", header, rows)


def _figures_row(name: str, each: Figures) -> tuple[str, ...]:
    return (
        name,
        f"{each.n_rows:,}",
        *(percent(each.distance[distance]) for distance in DISTANCES),
        f"{each.rmse:.3f}",
        f"{each.mae:.3f}",
        f"{each.log_loss:.3f}",
        f"{each.quadratic_weighted_kappa:.3f}",
        f"{each.calibration_error:.3f}",
    )


# Classes


def _distances(figures: Mapping[str, Figures]) -> Markup:
    rows = [
        (_WORDS.get(name, name), [each.distance[distance] for distance in DISTANCES])
        for name, each in figures.items()
    ]
    title = "Distance from the true class"
    chart = stacked_chart(f"{title}, percent of the rows", rows, _DISTANCE_WORDS)
    lines = [(name, *(percent(share) for share in shares)) for name, shares in rows]
    table = Table("share of rows by distance", ("predictor", *_DISTANCE_WORDS), lines)
    note = "In percent of the rows. On the half-star scale a class is half a star."
    return figure(title, chart, table, note)


def _confusion(figures: Figures) -> Markup:
    labels = [f"{value:g}" for value in figures.class_values]
    counts = np.array(figures.confusion_matrix)
    n_true = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / n_true
    title = "Confusion matrix"
    chart = heat_map(f"{title}, percent of each true class", labels, shares.tolist())
    rows = [
        (f"{label} true", *(f"{count:,}" for count in of_class))
        for label, of_class in zip(labels, counts.tolist(), strict=True)
    ]
    table = Table("rows by true and predicted stars", ("", *labels), rows)
    note = (
        "A row for each true class: what percentage of it is predicted as which. "
        "Right predictions are framed."
    )
    return figure(title, chart, table, note)


def _calibration(figures: Figures) -> Markup:
    points = [(sure, right) for sure, right, _ in figures.reliability]
    lines = [
        Line("model", points, "one", "disc"),
        Line("if perfectly calibrated", [(0.0, 0.0), (1.0, 1.0)], "faint"),
    ]
    axes = ("mean probability of the most likely class", "share of rows that are right")
    limits = ((0.0, 1.0), (0.0, 1.0))
    title = "Calibration"
    chart = line_chart("Calibration of probabilities", lines, axes, limits=limits)
    rows = [
        (f"{sure:.3f}", f"{right:.3f}", f"{n_rows:,.0f}")
        for sure, right, n_rows in figures.reliability
    ]
    table = Table("bins of probability", ("mean probability", "right", "rows"), rows)
    note = (
        f"Mean difference {figures.calibration_error:.3f}. Points above the straight "
        "line: more often right than the model believes."
    )
    return figure(title, chart, table, note)


# Training


def _curve(material: Material, curve: Sequence[Point]) -> Markup:
    lines: list[Line] = []
    marks: list[tuple[float, str]] = []
    if curve:
        lines.append(Line("test rows", curve, "one"))
    search = _search(material)
    if search:
        lines.append(Line("rows for early stopping", search, "two"))
        best, _ = min(search, key=lambda point: point[1])
        marks.append((best, f"chosen: {best:.0f}"))
    if not lines:
        return Markup("")

    axes = ("rounds of boosting", "log-loss")
    chart = line_chart("Log-loss by rounds", lines, axes, marks=marks)
    rows = [row for line in lines for row in _curve_rows(line.name, line.points)]
    table = Table("log-loss by rounds", ("rows", "rounds", "log-loss"), rows)
    return figure("Learning curve", chart, table, _curve_note(material))


def _search(material: Material) -> list[Point]:
    """The rounds that early stopping tried, and their losses."""
    evaluation = material.evaluation
    losses = evaluation.booster.validation_losses
    if not losses:
        return []
    n_models = evaluation.hyperparameters.get("n_models", 1)
    n_chosen = losses.index(min(losses)) + 1
    n_before = max(evaluation.booster.main_rounds - n_models * n_chosen, 0)
    return [(float(n_before + n), loss) for n, loss in enumerate(losses, start=1)]


def _curve_note(material: Material) -> str:
    note = (
        f"On at most {MOST_ROWS:,} test rows, by the rounds that look at all features. "
        "The others, for rows without a known user or a timestamp, aren't drawn."
    )
    n_models = material.evaluation.hyperparameters.get("n_models", 1)
    if n_models > 1:
        note += f" The rounds of {n_models} averaged boosters follow one another."
    return note


def stage_figure(stages: Sequence[Mapping[str, Any]]) -> Markup:
    """What the stages of the job have cost.

    Args:
        stages: each with its name, seconds, cores_busy and peak_mb.
    """
    if not stages:
        return Markup("")
    bars = [
        Bar(each["name"], each["seconds"], f"{each['seconds']:.1f} s")
        for each in stages
    ]
    rows = [
        (
            each["name"],
            f"{each['seconds']:.1f}",
            f"{each['cores_busy']:.2f}",
            f"{each['peak_mb']:,}",
        )
        for each in stages
    ]
    title = "Time by stage"
    header = ("stage", "seconds", "cores busy", "peak MB")
    table = Table("stages of the job", header, rows)
    chart = bar_chart(f"{title}, in seconds", bars)
    return figure(title, chart, table, "Up to the evaluation, on the first host.")


def _curve_rows(name: str, curve: Sequence[Point]) -> list[tuple[str, str, str]]:
    """Some of the points, so that nobody has to read hundreds of rows."""
    step = max(1, len(curve) // 20)
    chosen = [*curve[: len(curve) - 1 : step], curve[-1]]
    return [(name, f"{rounds:.0f}", f"{loss:.4f}") for rounds, loss in chosen]


# Errors


def _error_figure(title: str, bins: Sequence[Bin], note: str) -> Markup:
    bars = [
        Bar(each.label, each.rmse, f"{each.rmse:.2f}", each.interval) for each in bins
    ]
    chart = bar_chart(f"RMSE in stars, {title.lower()}", bars)
    rows = [
        (
            each.label,
            f"{each.n_rows:,}",
            f"{each.rmse:.3f}",
            f"{each.interval[0]:.3f} to {each.interval[1]:.3f}",
            percent(each.exact),
        )
        for each in bins
    ]
    header = (title.removeprefix("By "), "rows", "RMSE", "95 % interval", "exact")
    return figure(title, chart, Table(title.lower(), header, rows), note)


# Importance


def _gain(found: Importance) -> Markup:
    groups = sorted(found.groups, key=lambda each: each.gain, reverse=True)
    bars = [
        Bar(_WORDS.get(each.name, each.name), each.gain, percent(each.gain))
        for each in groups
    ]
    rows = [
        (_WORDS.get(each.name, each.name), f"{each.n_features}", percent(each.gain))
        for each in groups
    ]
    title = "Gain by group of features"
    table = Table("share of the gain", ("group", "features", "gain"), rows)
    note = "What splits by these features took off the loss in training."
    return figure(title, bar_chart(title, bars), table, note)


def _group_stars(found: Importance) -> Markup:
    bars = [
        Bar(_WORDS.get(each.name, each.name), each.stars, f"{each.stars:.2f} ★")
        for each in found.groups
    ]
    rows = [
        (_WORDS.get(each.name, each.name), f"{each.stars:.3f}") for each in found.groups
    ]
    title = "SHAP values by group"
    chart = bar_chart("Mean effect of groups of features, in stars", bars, "two")
    table = Table("mean effect in stars", ("group", "stars"), rows)
    note = (
        "How far a group moves the expected rating of a row, on average over "
        f"{found.n_rows} rows."
    )
    return figure(title, chart, table, note)


def _shap(found: Importance) -> Markup:
    shown = found.features[:_SHOWN_FEATURES]
    spans = [
        Span(each.name, each.low, each.high, f"{each.stars:.3f}") for each in shown
    ]
    rows = [
        (
            each.name,
            each.reason,
            f"{each.stars:.3f}",
            f"{each.low:+.3f}",
            f"{each.high:+.3f}",
        )
        for each in shown
    ]
    title = "SHAP values by feature"
    chart = span_chart(
        "Effects of features in stars", spans, ("lowest third", "highest third")
    )
    header = ("feature", "about", "mean effect", "lowest third", "highest third")
    table = Table("effects in stars", header, rows, is_text=True)
    note = (
        "What the feature adds, in stars, to rows where its value is in the lowest and "
        "in the highest third; left of the line it lowers the rating. At the right: "
        "how far it moves a row on average."
    )
    return figure(title, chart, table, note)


# Data


def _histogram(material: Material) -> Markup:
    values = material.evaluation.train.class_values
    counts = {
        "train": np.bincount(material.train.half_stars, minlength=11),
        "test": np.bincount(material.test.half_stars, minlength=11),
    }
    places = [round(2 * value) for value in values]
    n_rows = max(len(material.train), 1)
    bars = [
        Bar(f"{place / 2:g} ★", share, percent(share))
        for place, share in zip(places, counts["train"][places] / n_rows, strict=True)
    ]
    rows = [
        (f"{place / 2:g}", f"{counts['train'][place]:,}", f"{counts['test'][place]:,}")
        for place in places
    ]
    title = "Ratings of the training rows"
    table = Table("rows by rating", ("stars", "training rows", "test rows"), rows)
    return figure(title, bar_chart(title, bars), table)


def _why_dropped(reason: str) -> str:
    found = [why for name, why in _WHY_DROPPED.items() if reason.endswith(name)]
    return found[0] if found else ""


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(",", ", ")


def everything(material: Material, numbers: ReportNumbers) -> Markup:
    """All sections, in the order of the page."""
    parts = (
        headline(material),
        classes(material),
        training(material, numbers),
        errors(material, numbers),
        importance(material),
        data(material),
        settings(material),
    )
    return joined(parts)
