"""The metrics of a training job: what its regular expressions find in the log."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launcher.local.errors import invalid


class LogMetrics:
    """Reads the lines of all hosts, and keeps the last value of each metric.

    Args:
        definitions: MetricDefinitions of the request.
        record: is called with the name and the value of each.

    Raises:
        RefusedError: if a regular expression isn't one.
    """

    def __init__(
        self,
        definitions: Sequence[Mapping[str, str]],
        record: Callable[[str, float], None] = lambda _name, _value: None,
    ) -> None:
        self._record = record
        self._patterns: dict[str, re.Pattern[str]] = {}
        # Value and time, by name.
        self._values: dict[str, tuple[float, float]] = {}

        for definition in definitions:
            name = definition["Name"]
            try:
                self._patterns[name] = re.compile(definition["Regex"])
            except re.error as error:
                raise invalid(f"Invalid metric regex for {name}: {error}") from error

    def read(self, line: str) -> None:
        """Look for every metric; its value is the first group, if that is a number."""
        for name, pattern in self._patterns.items():
            match = pattern.search(line)
            if match is None or not match.groups():
                continue
            # A group that took no part in the match is None.
            with contextlib.suppress(ValueError, TypeError):
                value = float(match[1])
                self._values[name] = (value, time.time())
                self._record(name, value)

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList, as DescribeTrainingJob answers it."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in self._values.copy().items()
        ]
