"""Reads the CloudWatch log of a job or an endpoint, each time what is new."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from launcher.aws import Aws
from launcher.errors import AwsError
from launcher.kinds import SAGEMAKER_KINDS, Kind
from launcher.specification import metric_definitions

_PREFIX = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d) (?P<time>\d\d:\d\d:\d\d)[,.]?\d* +"
    r"(?:(?P<level>[A-Z]{4,8}) +[\w.-]+:|[\w.-]+ +(?P<level_after>[A-Z]{4,8})) +"
    r"(?P<text>.*)",
    re.DOTALL,
)


class LogLine(NamedTuple):
    """A line of a log.

    Attributes:
        stream: the stream that it is in.
        message: its text.
    """

    stream: str
    message: str

    @property
    def host(self) -> str:
        """What in the stream's name tells hosts of a job apart, such as ``algo-1``.

        The rest is the job's name and a number that nobody needs.
        """
        last = self.stream.rpartition("/")[2]
        return re.sub(r"^(algo-\d+)-\d+$", r"\1", last)


@dataclass(slots=True)
class LogFollower:
    """Reads a log, going on where it stopped the last time.

    Attributes:
        aws: where the log is.
        group: the log's group.
        prefix: the beginning of the names of its streams.
        start: seconds since 1970 of the first lines to read, None for all.
    """

    aws: Aws
    group: str
    prefix: str = ""
    start: float | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> Iterator[LogLine]:
        """Each line since the last call, those of all streams by their time.

        There are none as long as there is no log.
        """
        found: list[tuple[int, LogLine]] = []
        for stream in self._streams():
            for event in self._new_events(stream):
                line = LogLine(stream, event["message"].rstrip("\n"))
                found.append((event["timestamp"], line))
        # Lines of the same millisecond keep their order.
        found.sort(key=lambda timed: timed[0])
        for _, line in found:
            yield line

    def _new_events(self, stream: str) -> Iterator[dict[str, Any]]:
        """The events of a stream since the last call.

        A page may be empty and yet not be the last: that is the one after which the
        token stays the same.
        """
        while True:
            before = self._tokens.get(stream)
            yield from self._next_page(stream, before)
            if self._tokens[stream] == before:
                return

    def _next_page(self, stream: str, token: str | None) -> list[dict[str, Any]]:
        go_on: dict[str, Any] = {"nextToken": token} if token else {}
        if self.start is not None:
            go_on["startTime"] = int(1000 * self.start)
        answer = self.aws.read(
            "logs",
            "GetLogEvents",
            logGroupName=self.group,
            logStreamName=stream,
            startFromHead=True,
            **go_on,
        )
        self._tokens[stream] = answer["nextForwardToken"]
        return list(answer["events"])

    def _streams(self) -> list[str]:
        narrowed = {"logStreamNamePrefix": self.prefix} if self.prefix else {}
        try:
            listed = self.aws.pages(
                "logs",
                "DescribeLogStreams",
                "logStreams",
                logGroupName=self.group,
                **narrowed,
            )
            return sorted(stream["logStreamName"] for stream in listed)
        except AwsError as error:
            if error.is_absent:
                return []
            raise


def log_of(kind: Kind, name: str) -> tuple[str, str]:
    """The log group of a job or an endpoint, and the beginning of its streams' names.

    A tuning job's log is that of its training jobs, whose names begin with its own.
    """
    group = SAGEMAKER_KINDS[kind].log_group
    if kind == "tuning job":
        return group, f"{name}-"
    if kind == "endpoint":
        return f"{group}/{name}", ""
    return group, f"{name}/"


def without_prefix(line: str) -> str:
    """A line of a log without date, level and module, which tell a reader little.

    Example:
        >>> without_prefix("2026-11-26 15:00:01,123 INFO train.pipeline: read ratings")
        '15:00:01 read ratings'
        >>> without_prefix("2026-11-26 15:00:01,123 train.split WARNING  few ratings")
        '15:00:01 WARNING few ratings'
    """
    match = _PREFIX.match(line)
    if match is None:
        return line
    level = match["level"] or match["level_after"]
    words = [match["time"], "" if level == "INFO" else level, match["text"]]
    return " ".join(word for word in words if word)


def on_a_screen(line: str) -> str:
    """A line of a log without milliseconds, module and the usual level.

    Example:
        >>> on_a_screen("2026-11-26 15:00:01,123 serve.server ERROR    no memory")
        '2026-11-26 15:00:01 ERROR no memory'
    """
    match = _PREFIX.match(line)
    return f"{match['date']} {without_prefix(line)}" if match else line


def metrics_of(line: str) -> Iterator[tuple[str, float]]:
    """Name and value of the metrics in a line of the log.

    They are found by the regular expressions that SageMaker is given.
    """
    for definition in metric_definitions():
        match = re.search(definition["Regex"], line)
        if match is not None:
            yield definition["Name"], float(match[1])
