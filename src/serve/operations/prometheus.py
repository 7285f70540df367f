"""A report in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from serve.operations.counters import BOUNDS, Cell, Totals
from serve.operations.report import Report

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, object]
_NO_LABELS: Labels = {}


class Sample(NamedTuple):
    """One number of a metric."""

    value: float
    labels: Labels = _NO_LABELS
    suffix: str = ""


class Metric(NamedTuple):
    """A metric with its numbers.

    Attributes:
        name: with its unit, without the prefix that all of ours have.
        kind: ``counter``, ``gauge`` or ``histogram``.
        meaning: in one line.
        samples: its numbers.
    """

    name: str
    kind: str
    meaning: str
    samples: Iterable[Sample]


def to_text(report: Report) -> bytes:
    """The whole answer to a scrape."""
    lines: list[str] = []
    for metric in metrics_of(report):
        name = f"halfstar_{metric.name}"
        lines.append(f"# HELP {name} {metric.meaning}")
        lines.append(f"# TYPE {name} {metric.kind}")
        for sample in metric.samples:
            labels = _written(sample.labels)
            lines.append(f"{name}{sample.suffix}{labels} {sample.value}")
    return "\n".join([*lines, ""]).encode()


def metrics_of(report: Report) -> Iterator[Metric]:
    """All metrics, in the order in which they are written."""
    yield from _requests(report.totals)
    yield from _rows(report.totals)
    yield from _load(report.totals)
    yield from _memory(report)
    yield _of_cell(
        "worker_restarts_total",
        "counter",
        "Workers that took the place of one that died.",
        report.totals,
        Cell.RESTARTS,
    )
    if not report.model:
        meaning = "Models that are loaded."
        yield _of_cell("models", "gauge", meaning, report.totals, Cell.MODELS)
    else:
        yield Metric(
            "model_info",
            "gauge",
            "The model that is served.",
            [Sample(1, report.model)],
        )


def _requests(totals: Totals) -> Iterator[Metric]:
    yield Metric(
        "requests_total",
        "counter",
        "Requests by route and status; 499 if the client hung up first.",
        [
            Sample(count, {"route": route, "status": status})
            for (route, status), count in totals.requests().items()
        ],
    )
    yield Metric(
        "request_duration_seconds",
        "histogram",
        "Seconds from the headers of an invocation to the end of its answer.",
        _histogram(totals),
    )


def _histogram(totals: Totals) -> Iterator[Sample]:
    counts = list(accumulate(totals.buckets))
    for bound, count in zip([*BOUNDS, "+Inf"], counts, strict=True):
        yield Sample(count, {"le": bound}, "_bucket")
    yield Sample(totals.seconds, suffix="_sum")
    yield Sample(counts[-1], suffix="_count")


def _rows(totals: Totals) -> Iterator[Metric]:
    kinds = {
        "prediction": Cell.PREDICTIONS,
        "question": Cell.QUESTIONS,
        "bad": Cell.BAD_ROWS,
    }
    yield Metric(
        "rows_total",
        "counter",
        "Rows that were answered, by kind.",
        [Sample(totals.number(cell), {"kind": kind}) for kind, cell in kinds.items()],
    )
    yield _of_cell(
        "unknown_rows_total",
        "counter",
        "Predictions and questions whose user or movie isn't known.",
        totals,
        Cell.UNKNOWN_ROWS,
    )
    ids = {"user": Cell.UNKNOWN_USERS, "movie": Cell.UNKNOWN_MOVIES}
    yield Metric(
        "unknown_ids_total",
        "counter",
        "Those whose user isn't known, and those whose movie isn't.",
        [Sample(totals.number(cell), {"id": name}) for name, cell in ids.items()],
    )


def _load(totals: Totals) -> Iterator[Metric]:
    gauges = (
        ("requests_in_progress", "Requests that aren't answered.", Cell.IN_PROGRESS),
        (
            "requests_queued",
            "Requests among them that wait for a thread, or for memory.",
            Cell.QUEUED,
        ),
        ("connections", "Connections of clients.", Cell.CONNECTIONS),
        (
            "arrived_bytes",
            "Bytes of requests that aren't answered.",
            Cell.ARRIVED_BYTES,
        ),
    )
    for name, meaning, cell in gauges:
        yield _of_cell(name, "gauge", meaning, totals, cell)


def _memory(report: Report) -> Iterator[Metric]:
    yield Metric(
        "resident_memory_bytes",
        "gauge",
        "Memory of each process, with what it shares with others.",
        [Sample(size, {"process": name}) for name, size in report.resident.items()],
    )
    yield Metric(
        "memory_bytes",
        "gauge",
        "Memory of the container, without files that the kernel could forget.",
        [Sample(report.memory)],
    )
    yield Metric(
        "memory_limit_bytes",
        "gauge",
        "Memory that the container may use.",
        [Sample(report.memory_limit)],
    )


def _of_cell(name: str, kind: str, meaning: str, totals: Totals, cell: Cell) -> Metric:
    return Metric(name, kind, meaning, [Sample(totals.number(cell))])


def _written(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return "{" + ",".join(pairs) + "}"


def _escaped(value: object) -> str:
    text = str(value).replace("\\", r"\\")
    return text.replace('"', r"\"").replace("\n", r"\n")
