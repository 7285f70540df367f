"""``logs`` against a server of AWS's interface."""

from __future__ import annotations

import json
import time

import pytest

from launcher.logs import LogLine
from tests.launcher.conftest import AwsServer, Launcher

GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def log(trained: str, aws: AwsServer) -> None:
    """Two lines in the log of the training job."""
    now = int(1000 * time.time())
    events = [{"timestamp": now, "message": text} for text in ("first", "second")]
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    stream = {"logGroupName": GROUP, "logStreamName": f"{trained}/algo-1"}
    logs.create_log_stream(**stream)
    logs.put_log_events(**stream, logEvents=events)


@pytest.mark.usefixtures("log")
def test_every_line_is_printed_with_its_stream(
    launcher: Launcher, trained: str
) -> None:
    # The job has ended, so there is nothing to follow.
    result = launcher("logs", trained, "--follow")
    assert result.out == "algo-1  first\nalgo-1  second\n"


def test_a_line_is_printed_without_milliseconds_and_module(
    launcher: Launcher, aws: AwsServer, trained: str
) -> None:
    logs = aws.client("logs")
    stream = {"logGroupName": GROUP, "logStreamName": f"{trained}/algo-1-1795729886"}
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(**stream)
    raw = "2026-11-26 15:00:01,123 train.pipeline WARNING  few ratings"
    event = {"timestamp": int(1000 * time.time()), "message": raw}
    logs.put_log_events(**stream, logEvents=[event])
    shown = launcher("logs", trained).out
    assert shown == "algo-1  2026-11-26 15:00:01 WARNING few ratings\n"
    assert launcher("logs", trained, "--json").json["message"] == raw
    # What is looked for is looked for in the whole line.
    assert launcher("logs", trained, "--grep", "train.pipeline").out == shown


@pytest.mark.usefixtures("log")
def test_every_line_is_an_object_as_json(launcher: Launcher, trained: str) -> None:
    result = launcher("logs", trained, "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]
    stream = f"{trained}/algo-1"
    assert lines == [
        {"stream": stream, "message": "first"},
        {"stream": stream, "message": "second"},
    ]


def test_a_job_without_a_log_has_said_nothing_yet(
    launcher: Launcher, trained: str
) -> None:
    result = launcher("logs", trained)
    assert (result.code, result.out) == (0, "")
    assert f"training job {trained} (Completed) has said nothing yet" in result.err


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--tail", "1"), ["second"]),
        (("--tail", "0"), []),
        (("--grep", "^f"), ["first"]),
        (("--grep", "irst|econ", "--tail", "1"), ["second"]),
        (("--since", "1h"), ["first", "second"]),
        (("--since", "0s"), []),
    ],
)
def test_lines_are_chosen_by_age_number_and_pattern(
    launcher: Launcher, trained: str, options: tuple[str, ...], shown: list[str]
) -> None:
    result = launcher("logs", trained, *options)
    assert [line.split()[-1] for line in result.out.splitlines()] == shown


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--since", "yesterday", "expected an age such as 90s, 10m, 2h, 1d"),
        ("--grep", "(", "missing )"),
    ],
)
def test_a_choice_that_cannot_be_read_is_wrong_input(
    launcher: Launcher, option: str, value: str, said: str
) -> None:
    result = launcher("logs", "name", option, value)
    assert result.code == 2
    assert said in result.err


@pytest.mark.parametrize(
    ("stream", "host"),
    [
        ("halfstar-1/algo-1-1700000000", "algo-1"),
        ("halfstar-1/algo-12-1700000000", "algo-12"),
        ("main/i-0123456789abcdef0", "i-0123456789abcdef0"),
    ],
)
def test_a_line_has_its_host_and_not_the_whole_stream(stream: str, host: str) -> None:
    assert LogLine(stream, "").host == host
