"""The extension that records requests: its lines, what it refuses, hostile input."""

from __future__ import annotations

import json
import re
import sysconfig
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.asgi import HEADERS, Scope
from serve.inference_id import INFERENCE_ID
from serve.operations._recorder import Recorder
from serve.operations.counters import PING, Board, Cell, Slot
from serve.operations.request_log import request_log
from serve.operations.tally import Tally
from tests.sanitizers import gcc, run_watched

SOURCES = Path(__file__).parents[3] / "src" / "serve" / "operations"
COUNTS = st.integers(0, 10**12)


@pytest.fixture
def slot() -> Slot:
    return Board(1).slot(0, request_log(PING))


def asked(path: str = "/invocations", inference_id: bytes | None = None) -> Scope:
    headers = {} if inference_id is None else {INFERENCE_ID: inference_id}
    return {"path": path, HEADERS: headers}


def lines_of(slot: Slot) -> list[dict[str, Any]]:
    text = slot.recorder.take_lines()
    assert not text or text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


# Lines


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_line_has_the_numbers_of_its_request(
    predictions: int, questions: int, bad_rows: int, unknown: int
) -> None:
    slot = Board(1).slot(0, request_log(PING))
    tally = Tally(
        time.perf_counter() - 0.25,
        status=200,
        predictions=predictions,
        questions=questions,
        bad_rows=bad_rows,
        unknown_rows=unknown,
    )
    slot.recorder.over(tally, asked())
    (line,) = lines_of(slot)
    assert line["rows"] == predictions + questions + bad_rows
    assert line["questions"] == questions
    assert line["bad_rows"] == bad_rows
    assert line["status"] == 200
    assert line["route"] == "invocations"
    assert line["ms"] == pytest.approx(1000 * (tally.ended - tally.began), abs=6e-4)
    n_rows = predictions + questions
    assert line["unknown_share"] == (unknown / n_rows if n_rows else None)


def test_lines_say_when_their_answers_were_sent(slot: Slot) -> None:
    moments = [datetime.now(UTC)]
    for _ in range(3):
        slot.recorder.over(slot.recorder.begin(), asked())
        time.sleep(0.6)  # so the second changes
    moments += [datetime.fromisoformat(line["time"]) for line in lines_of(slot)]
    moments.append(datetime.now(UTC))
    assert len(moments) == 5
    assert moments == sorted(moments)


@pytest.mark.parametrize("given", ["a", 'say "no"', "\\", "order 7", "x" * 64])
def test_a_line_has_the_inference_id(slot: Slot, given: str) -> None:
    slot.recorder.over(slot.recorder.begin(), asked(inference_id=given.encode()))
    assert lines_of(slot)[0]["id"] == given


def test_requests_without_a_right_id_get_ids_of_their_own(slot: Slot) -> None:
    for header in (None, b"x" * 65, b"", None):
        slot.recorder.over(slot.recorder.begin(), asked(inference_id=header))
    ids = [line["id"] for line in lines_of(slot)]
    assert [re.sub(r"^[0-9a-f]{8}-", "", each) for each in ids] == ["1", "2", "3", "4"]
    assert len({each[:8] for each in ids}) == 1


def test_an_answer_in_the_applications_place_counts_instead(slot: Slot) -> None:
    tally = slot.recorder.begin()
    tally.refused = 408
    tally.status = 200
    slot.recorder.over(tally, asked())
    assert lines_of(slot)[0]["status"] == 408


def test_pings_have_a_line_only_if_they_fail(slot: Slot) -> None:
    for status in (200, 503):
        slot.recorder.over(Tally(time.perf_counter(), status=status), asked("/ping"))
    assert [line["status"] for line in lines_of(slot)] == [503]


def test_lines_are_taken_once(slot: Slot) -> None:
    for _ in range(1000):
        slot.recorder.over(slot.recorder.begin(), asked())
    assert len(lines_of(slot)) == 1000
    assert lines_of(slot) == []


def test_without_a_log_there_are_no_lines() -> None:
    board = Board(1)
    slot = board.slot(0)
    slot.recorder.over(Tally(time.perf_counter(), status=200), {"path": "/models/a"})
    assert lines_of(slot) == []
    assert board.totals().requests()["models", 200] == 1


def test_a_request_is_counted_at_once() -> None:
    board = Board(1)
    recorder = board.slot(0).recorder
    for n_requests in range(1, 100):
        tally = recorder.begin()
        tally.status = 200
        tally.count_predicted(2, (1, 1, 0))
        recorder.over(tally, asked())
        totals = board.totals()
        assert totals.number(Cell.PREDICTIONS) == 2 * n_requests
        assert totals.number(Cell.UNKNOWN_USERS) == n_requests


# What is refused

LAYOUT: dict[str, Any] = {
    "cells": memoryview(bytearray(8 * 20)).cast("d"),
    "first_bucket": 7,
    "bounds": (0.1, 0.2),
    "first_request": 10,
    "statuses": (200, 499),
    "routes": ("a", "b"),
    "paths": {},
    "route_of": len,
    "log": None,
    "counts_type": Tally,
}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("cells", memoryview(bytearray(8 * 13)).cast("d"), "there are too few"),
        ("cells", memoryview(bytearray(160)), "expected aligned numbers of type d"),
        ("first_bucket", 6, "there are too few"),
        ("first_bucket", -1, "there are too few"),
        ("first_request", 17, "there are too few"),
        ("bounds", (0.1,) * 65, "bounds: 65, expected at most 64"),
        ("statuses", (200, 600), "600 isn't a status"),
        ("routes", ("a",) * 17, "routes: 17, expected at most 16"),
        ("routes", ("a" * 40,), "is too long a name"),
        ("log", ("p" * 33, "", b"", len, 0), "the prefix is too long"),
        ("counts_type", int, "expected a class of Counts"),
    ],
)
def test_a_layout_that_doesnt_fit_is_refused(name: str, value: Any, fault: str) -> None:
    Recorder(**LAYOUT)
    with pytest.raises((TypeError, ValueError), match=fault):
        Recorder(**(LAYOUT | {name: value}))


@pytest.mark.parametrize(("status", "route"), [(418, 0), (600, 0), (-1, 0), (200, 2)])
def test_what_has_no_cell_is_refused(status: int, route: int) -> None:
    recorder = Recorder(**LAYOUT)
    with pytest.raises(ValueError, match=f"status {status} of route {route} has no"):
        recorder.count(Tally(status=status), route)
    assert not any(LAYOUT["cells"])


# Under the sanitizers


@pytest.fixture(scope="module")
def watched_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension, built so that it stops at any wrong access or operation."""
    directory = tmp_path_factory.mktemp("watched")
    package = directory / "serve" / "operations"
    package.mkdir(parents=True)
    for each in (package.parent, package):
        (each / "__init__.py").touch()
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    python = ["-DPy_LIMITED_API=0x030B0000", f"-I{sysconfig.get_path('include')}"]
    flags = ["-O1", "-g", "-std=c11", "-shared", "-fPIC", *sanitizers, *python]
    output = package / "_recorder.abi3.so"
    gcc(*flags, *sorted(SOURCES.glob("*.c")), "-o", output)
    return directory


@pytest.mark.parametrize("seed", range(3))
def test_under_the_sanitizers(watched_dir: Path, seed: int) -> None:
    """See recorder_under_sanitizers.py."""
    run_watched(
        Path(__file__).with_name("recorder_under_sanitizers.py"), watched_dir, str(seed)
    )
