"""The page of metrics and of the evaluation."""

from __future__ import annotations

from movielens.evaluation import DataCounts, Evaluation, Figures, Rounds
from tools.reference.docstrings import attributes
from tools.reference.markdown import block, code, page, table
from train.report import METRIC_DEFINITIONS

_INTRODUCTION = """\
The log of a job has a line `metric NAME=VALUE` for each metric. SageMaker finds the
values by the regular expressions below. `launcher train` and `launcher.sdk` send them
along. With AWS's own tools, send `METRIC_DEFINITIONS` of `train.report`, or
`MetricDefinitions` of `launcher/training.json`."""

_VALIDATION = "`validation:mlogloss` is there with early stopping only."

_EVALUATION = """\
`evaluation.json` is in the model and in the job's output. `launcher train` prints its
figures as a table."""


def metrics_page() -> str:
    """All metrics, and all fields of ``evaluation.json``."""
    metrics = [(code(each["Name"]), code(each["Regex"])) for each in METRIC_DEFINITIONS]
    tables = [
        ("### The whole file", Evaluation),
        ("### Figures: `test`, `train`, each of `baselines`", Figures),
        ("### `data`", DataCounts),
        ("### `booster`", Rounds),
    ]
    parts = []
    for heading, record in tables:
        rows = [(code(name), text) for name, text in attributes(record).items()]
        parts += [heading, table(("field", "meaning"), rows)]
    return page(
        "Metrics and the evaluation",
        _INTRODUCTION,
        table(("metric", "regular expression"), metrics),
        _VALIDATION,
        "A line of the log looks like this:",
        block("2026-11-26 14:11:05,710 train.pipeline INFO     metric test:rmse=0.779"),
        "## The evaluation",
        _EVALUATION,
        *parts,
    )
