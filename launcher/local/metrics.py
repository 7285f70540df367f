"""The metrics of a job: what its regular expressions find in the log, the last value of
each.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from launcher.local.errors import invalid


class Metrics:
    """Reads lines of any host."""

    def __init__(self, definitions: Sequence[Mapping[str, str]]) -> None:
        self._patterns = {
            definition["Name"]: re.compile(definition["Regex"])
            for definition in definitions
        }
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, float]] = {}

    @staticmethod
    def check(definitions: Sequence[Mapping[str, str]]) -> None:
        """Return when every expression is one.

        Raises:
            RefusedError: for one that isn't.
        """
        for definition in definitions:
            try:
                re.compile(definition["Regex"])
            except re.error as error:
                raise invalid(
                    f"Invalid metric regex for {definition['Name']}: {error}"
                ) from error

    def read(self, line: str) -> None:
        """Look for every metric; one without a number in its first group isn't there."""
        for name, pattern in self._patterns.items():
            if (match := pattern.search(line)) and match.groups():
                with contextlib.suppress(ValueError, TypeError), self._lock:
                    self._values[name] = (float(match[1]), time.time())

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList."""
        with self._lock:
            return [
                {"MetricName": name, "Value": value, "Timestamp": when}
                for name, (value, when) in self._values.items()
            ]
