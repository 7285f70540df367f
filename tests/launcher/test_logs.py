from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from launcher.aws import Aws
from launcher.kinds import Kind
from launcher.logs import LogFollower, log_of, metrics_of, without_prefix
from tests.launcher.conftest import AwsServer
from tests.launcher.page_server import running
from tests.launcher.scripted_server import ScriptedServer
from train.report import METRIC_NAMES, metric_line

GROUP = "/aws/sagemaker/TrainingJobs"


def write(aws: AwsServer, stream: str, *messages: str) -> None:
    now = int(1000 * time.time())  # the service takes no old events
    events = [{"timestamp": now, "message": message} for message in messages]
    aws.client("logs").put_log_events(
        logGroupName=GROUP, logStreamName=stream, logEvents=events
    )


def test_each_line_is_given_once(connection: Aws, aws: AwsServer) -> None:
    logs = aws.client("logs")
    follower = LogFollower(connection, GROUP, "job/")
    assert list(follower.new_lines()) == []  # there is no group yet

    logs.create_log_group(logGroupName=GROUP)
    for stream in ("job/algo-1", "job/algo-2", "other/algo-1"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    write(aws, "job/algo-1", "first\n", "second")
    write(aws, "other/algo-1", "not ours")
    assert list(follower.new_lines()) == [
        ("job/algo-1", "first"),
        ("job/algo-1", "second"),
    ]
    assert list(follower.new_lines()) == []

    write(aws, "job/algo-2", "third")
    assert list(follower.new_lines()) == [("job/algo-2", "third")]


def test_an_empty_page_is_not_the_end_of_a_log(
    connection_of: Callable[[str], Aws],
) -> None:
    event = {"timestamp": 1, "message": "late", "ingestionTime": 1}
    pages: list[dict[str, Any]] = [
        {"events": [], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"},
        {"events": [event], "nextForwardToken": "f/2", "nextBackwardToken": "b/1"},
        {"events": [], "nextForwardToken": "f/2", "nextBackwardToken": "b/1"},
    ]
    streams = {"logStreams": [{"logStreamName": "job/algo-1"}]}
    server = ScriptedServer(DescribeLogStreams=[streams], GetLogEvents=pages)
    with running(server):
        follower = LogFollower(connection_of(server.url), GROUP, "job/")
        assert list(follower.new_lines()) == [("job/algo-1", "late")]


@pytest.mark.parametrize(
    ("kind", "group", "prefix"),
    [
        ("training job", "/aws/sagemaker/TrainingJobs", "n/"),
        ("transform job", "/aws/sagemaker/TransformJobs", "n/"),
        ("tuning job", "/aws/sagemaker/TrainingJobs", "n-"),
        ("endpoint", "/aws/sagemaker/Endpoints/n", ""),
    ],
)
def test_every_kind_has_its_log_where_sagemaker_writes_it(
    kind: Kind, group: str, prefix: str
) -> None:
    assert log_of(kind, "n") == (group, prefix)


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_every_metric_of_the_job_is_read_from_its_line(name: str) -> None:
    line = f"2026-01-01 00:00:00,000 train.pipeline INFO     {metric_line(name, 1.25)}"
    assert dict(metrics_of(line)) == {name: 1.25}


def test_a_line_without_metrics_has_none() -> None:
    assert dict(metrics_of("100 rounds/s")) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-11-26 15:00:01,123 INFO train.rounds: round 1", "15:00:01 round 1"),
        ("2026-11-26 15:00:01 train.rounds INFO     round 1", "15:00:01 round 1"),
        (
            "2026-11-26 15:00:01,123 train.split WARNING  few",
            "15:00:01 WARNING few",
        ),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
    ],
)
def test_a_line_is_said_without_date_and_module(line: str, said: str) -> None:
    assert without_prefix(line) == said


def test_lines_of_several_hosts_are_in_the_order_of_their_time(
    connection: Aws, aws: AwsServer
) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    now = int(1000 * time.time())
    for host, offsets in (("algo-1", (0, 20)), ("algo-2", (10, 30))):
        stream = f"job/{host}"
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [
            {"timestamp": now + offset, "message": str(offset)} for offset in offsets
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
    lines = LogFollower(connection, GROUP, "job/").new_lines()
    assert [line.message for line in lines] == ["0", "10", "20", "30"]
