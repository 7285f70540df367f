"""Several training jobs side by side, as a page in the look of the training report.

Jobs have numbers here, since charts have no room for their names. The first table says
which job is which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from launcher.comparison import MEASURES, Measure, are_tested_alike, differences
from movielens.evaluation import DISTANCES, Evaluation, Figures
from movielens.pages.charts import (
    SERIES,
    Dots,
    Line,
    dot_chart,
    line_chart,
    stacked_chart,
)
from movielens.pages.document import make_document
from movielens.pages.markup import Markup, element, joined
from movielens.pages.tables import Table, figure, paragraph, percent, section
from movielens.report_numbers import Bin, Point, ReportNumbers

_TITLE = "Comparison of training jobs"
_HEADLINE = ("exact", "RMSE", "MAE", "log-loss")
_DISTANCE_WORDS = ("exact", "1 class off", "2 off", "more")
_TABLE_POINTS = 12
_NUMBER = re.compile(r"[0-9][0-9,]{0,14}")


@dataclass(frozen=True, slots=True)
class ComparedJob:
    """One of the jobs.

    Attributes:
        number: from 1.
        name: of the job.
        evaluation: what it left.
        numbers: what its report measured; empty if it has left nothing of that.
    """

    number: int
    name: str
    evaluation: Evaluation
    numbers: ReportNumbers

    @property
    def label(self) -> str:
        """What charts call it."""
        return f"job {self.number}"

    @property
    def figures(self) -> Figures:
        """Those of the test rows, or of the training rows if there are no others."""
        return self.evaluation.test or self.evaluation.train


def comparison_page(
    results: Mapping[str, tuple[Evaluation, ReportNumbers | None]],
) -> str:
    """All of the file.

    Args:
        results: what each job has left, by the job's name.
    """
    jobs = [
        ComparedJob(number, name, evaluation, numbers or ReportNumbers())
        for number, (name, (evaluation, numbers)) in enumerate(results.items(), 1)
    ]
    drawn = jobs[: len(SERIES)]
    parts = (
        _headline(jobs),
        _distances_and_calibration(drawn),
        _training(drawn),
        _errors(drawn),
        _settings(jobs),
    )
    return make_document(_TITLE, joined(parts))


def _headline(jobs: Sequence[ComparedJob]) -> Markup:
    evaluations = [job.evaluation for job in jobs]
    parts: list[Markup] = []
    if not are_tested_alike(evaluations):
        said = "These jobs were tested on different rows: compare with care."
        parts.append(paragraph(said, "warning"))
    for job in jobs:
        if job.evaluation.test is None:
            said = f"Job {job.number} has no test rows: these are of its training rows."
            parts.append(paragraph(said, "warning"))
    if len(jobs) > len(SERIES):
        said = f"Charts show the first {len(SERIES)} jobs, tables of figures all."
        parts.append(paragraph(said))

    measures = [each for each in MEASURES if each.name in _HEADLINE]
    tiles = [_tile(measure, jobs) for measure in measures]
    parts += [
        _jobs_table(jobs).to_html(),
        element("dl", {"class": "tiles"}, *tiles),
        _figures_table(jobs).to_html(),
    ]
    heading = element("h2", {"id": "figures", "class": "unseen"}, "Figures")
    return element("section", {"aria-labelledby": "figures"}, heading, *parts)


def _jobs_table(jobs: Sequence[ComparedJob]) -> Table:
    rows = [(f"{job.number}", job.name) for job in jobs]
    return Table("jobs", ("job", "name"), rows, is_text=True)


def _tile(measure: Measure, jobs: Sequence[ComparedJob]) -> Markup:
    """The best value of a figure in large, those of the others below."""
    figures = [job.figures for job in jobs]
    best = measure.best(figures) or set(range(len(jobs)))
    first = min(best)
    winners = ", ".join(jobs[place].label for place in sorted(best))
    said = f"best: {winners}" if len(best) < len(jobs) else "the same in all jobs"
    parts = [
        element("dt", None, measure.name),
        element("dd", {"class": "value"}, measure.text(figures[first])),
        element("dd", {"class": "best"}, said),
    ]
    for place, job in enumerate(jobs):
        if place not in best:
            text = f"{job.label}: {measure.text(job.figures)}"
            parts.append(element("dd", {"class": "beside"}, text))
    return element("div", None, *parts)


def _figures_table(jobs: Sequence[ComparedJob]) -> Table:
    figures = [job.figures for job in jobs]
    rows: list[tuple[str, ...]] = []
    for measure in MEASURES:
        best = measure.best(figures)
        cells: list[str] = []
        for place, each in enumerate(figures):
            text = measure.text(each)
            is_best = place in best
            cells.append(
                element("span", {"class": "best"}, f"best {text}") if is_best else text
            )
        rows.append((measure.name, *cells))
    return Table("figures of the test rows", _header("figure", jobs), rows)


def _header(first: str, jobs: Sequence[ComparedJob]) -> tuple[str, ...]:
    return (first, *(job.label for job in jobs))


def _distances_and_calibration(jobs: Sequence[ComparedJob]) -> Markup:
    title = "How far predictions are off"
    return section("classes", title, _distances(jobs), _calibration(jobs))


def _distances(jobs: Sequence[ComparedJob]) -> Markup:
    shares = [
        (job.label, [job.figures.distance[distance] for distance in DISTANCES])
        for job in jobs
    ]
    title = "Distance from the true class"
    chart = stacked_chart(f"{title}, percent of the rows", shares, _DISTANCE_WORDS)
    rows = [(label, *(percent(share) for share in parts)) for label, parts in shares]
    table = Table("share of rows by distance", ("job", *_DISTANCE_WORDS), rows)
    note = "In percent of the rows. On the half-star scale a class is half a star."
    return figure(title, chart, table, note)


def _calibration(jobs: Sequence[ComparedJob]) -> Markup:
    lines: list[Line] = []
    rows: list[tuple[str, ...]] = []
    for job, (style, mark) in zip(jobs, SERIES, strict=False):
        points: list[Point] = []
        for sure, right, n_rows in job.figures.reliability:
            points.append((sure, right))
            cells = (f"{sure:.3f}", f"{right:.3f}", f"{n_rows:,.0f}")
            rows.append((job.label, *cells))
        lines.append(Line(job.label, points, style, mark))

    lines.append(Line("if perfectly calibrated", [(0.0, 0.0), (1.0, 1.0)], "faint"))

    axes = ("mean probability of the most likely class", "share of rows that are right")
    limits = ((0.0, 1.0), (0.0, 1.0))
    chart = line_chart("Calibration of probabilities", lines, axes, limits=limits)
    header = ("job", "mean probability", "right", "rows")
    table = Table("bins of probability", header, rows)
    note = "Points above the straight line: more often right than the model believes."
    return figure("Calibration", chart, table, note)


def _training(jobs: Sequence[ComparedJob]) -> Markup:
    lines: list[Line] = []
    rows: list[tuple[str, ...]] = []
    for job, (style, _) in zip(jobs, SERIES, strict=False):
        curve = job.numbers.learning_curve
        if not curve:
            continue
        lines.append(Line(job.label, curve, style))
        step = max(1, len(curve) // _TABLE_POINTS)
        for rounds, loss in [*curve[: len(curve) - 1 : step], curve[-1]]:
            rows.append((job.label, f"{rounds:.0f}", f"{loss:.4f}"))
    if not lines:
        return Markup("")

    axes = ("rounds of boosting", "log-loss")
    chart = line_chart("Log-loss of test rows by rounds", lines, axes)
    table = Table("log-loss by rounds", ("job", "rounds", "log-loss"), rows)
    without = [job for job in jobs if not job.numbers.learning_curve]
    shown = figure("Learning curves", chart, table, _absence(without))
    return section("training", "Training", shown)


def _absence(jobs: Sequence[ComparedJob]) -> str:
    """Which jobs aren't drawn, and why."""
    if not jobs:
        return ""
    names = ", ".join(job.label for job in jobs)
    return f"Not shown: {names}. No test rows, or an older version trained it."


def _errors(jobs: Sequence[ComparedJob]) -> Markup:
    charts = {
        "By ratings of the user": lambda job: job.numbers.by_user_ratings,
        "By ratings of the movie": lambda job: job.numbers.by_movie_ratings,
    }
    figures = [_error_figure(title, jobs, bins) for title, bins in charts.items()]
    if not any(figures):
        return Markup("")
    note = (
        "Root mean squared error of the expected rating, in stars, by how many ratings "
        "training saw. Further to the left is better."
    )
    return section("errors", "Where they err", *figures, note=note)


def _error_figure(
    title: str,
    jobs: Sequence[ComparedJob],
    bins_of: Callable[[ComparedJob], Sequence[Bin]],
) -> Markup:
    by_label = [{each.label: each for each in bins_of(job)} for job in jobs]
    labels = _in_order([list(bins) for bins in by_label])
    if not labels:
        return Markup("")

    series: list[Dots] = []
    rows: list[tuple[str, ...]] = []
    for job, bins, (_, mark) in zip(jobs, by_label, SERIES, strict=False):
        if not bins:
            continue
        values = [bins[label].rmse if label in bins else None for label in labels]
        series.append(Dots(job.label, values, mark))
    for label in labels:
        found = [bins.get(label) for bins in by_label]
        rows.append((label, *(_error_cell(each) for each in found)))

    chart = dot_chart(f"RMSE in stars, {title.lower()}", labels, series, "RMSE, stars")
    header = _header(title.removeprefix("By "), jobs)
    table = Table(title.lower(), header, rows)
    without = [job for job, bins in zip(jobs, by_label, strict=True) if not bins]
    return figure(title, chart, table, _absence(without))


def _error_cell(found: Bin | None) -> str:
    return "-" if found is None else f"{found.rmse:.3f} ({found.n_rows:,} rows)"


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """Each label once, by the number of ratings at which its bin begins."""
    labels = dict.fromkeys(label for each in lists for label in each)
    return sorted(labels, key=_begin)


def _begin(label: str) -> int:
    """The number that a label begins with, such as 1,000 of "1,000 and more"."""
    found = _NUMBER.match(label)
    return int(found[0].replace(",", "")) if found else 0


def _settings(jobs: Sequence[ComparedJob]) -> Markup:
    rows = differences([job.evaluation for job in jobs])
    title = "What else differs"
    if not rows:
        said = "Nothing: these jobs have the same settings, counts and versions."
        return section("settings", title, paragraph(said))
    caption = "settings, counts and versions"
    table = Table(caption, _header("name", jobs), rows, is_text=True)
    return section("settings", title, table.to_html())
