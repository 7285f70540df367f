"""Follows the CloudWatch log of a job or an endpoint: new lines of all streams since
the last look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from launcher.aws import Aws
from launcher.errors import AwsError
from launcher.specification import metric_definitions

GROUPS = {
    "training job": "/aws/sagemaker/TrainingJobs",
    "tuning job": "/aws/sagemaker/TrainingJobs",
    "transform job": "/aws/sagemaker/TransformJobs",
}


@dataclass(slots=True)
class LogFollower:
    """Reads on where it left off; ``group`` and the beginning of the streams' names say
    which log.
    """

    aws: Aws
    group: str
    prefix: str = ""
    _tokens: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """Stream name and text of every line that came since the last call; none where
        there is no log yet.
        """
        for stream in self._streams():
            while True:
                parameters = {
                    "logGroupName": self.group,
                    "logStreamName": stream,
                    "startFromHead": True,
                }
                token = self._tokens.get(stream)
                answer = self.aws.read(
                    "logs",
                    "GetLogEvents",
                    **parameters,
                    **({"nextToken": token} if token else {}),
                )
                for event in answer["events"]:
                    yield stream, event["message"].rstrip("\n")
                self._tokens[stream] = answer["nextForwardToken"]
                if not answer["events"]:
                    break

    def _streams(self) -> list[str]:
        narrowed = {"logStreamNamePrefix": self.prefix} if self.prefix else {}
        try:
            found = self.aws.pages(
                "logs",
                "DescribeLogStreams",
                "logStreams",
                logGroupName=self.group,
                **narrowed,
            )
            return sorted(stream["logStreamName"] for stream in found)
        except AwsError as error:
            if error.is_absent:
                return []
            raise


def log_of(kind: str, name: str) -> tuple[str, str]:
    """Group and beginning of the streams of a job or an endpoint; a tuning job's are
    those of its training jobs.
    """
    if kind not in GROUPS:
        return f"/aws/sagemaker/Endpoints/{name}", ""
    return GROUPS[kind], f"{name}-" if kind == "tuning job" else f"{name}/"


def metrics_of(line: str) -> Iterator[tuple[str, float]]:
    """The metrics in a line of the log, by the very expressions that SageMaker is
    given.
    """
    for definition in metric_definitions():
        if match := re.search(definition["Regex"], line):
            yield definition["Name"], float(match[1])
