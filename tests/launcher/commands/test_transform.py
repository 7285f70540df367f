"""What ``transform`` plans. Real transforms are in tests/launcher/local."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from launcher.ports import LOOPBACK, free_port
from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import Launcher


def test_the_rows_are_uploaded_without_a_header_before_the_job_starts(
    launcher: Launcher, trained: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("movieId,userId\n318,1\n")
    options = ("--job", trained, "--dry-run")
    plan = launcher(*IMAGE_AND_ROLE, "transform", str(rows), *options).json["plan"]
    operations = [step["operation"] for step in plan]
    assert operations == ["CreateModel", "PutObject", "CreateTransformJob"]
    # The name in the bucket follows from the content.
    digest = hashlib.sha256(b"1,318,\n").hexdigest()
    key = f"transform/input/{digest[:16]}.csv"
    assert plan[1]["parameters"]["Key"] == key


def test_a_row_that_is_no_pair_is_named_before_anything_is_sent(
    launcher: Launcher, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("userId,movieId\n1,x\n")
    result = launcher("transform", str(rows))
    assert (result.code, result.out) == (2, "")
    assert f"{rows} line 2: movieId is 'x'" in result.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("userId,movieId,timestamp\n", "has no rows"),
        ("1,318,964982703000\n", "line 1: timestamp is '964982703000'"),
        ("1,9223372036854775808\n", "line 1: movieId is '9223372036854775808'"),
        ('1,318\n1,"296\n', "line 2: a quote is left open"),
        ("1,318\r1,296\r", "line 1: a line ends in CR alone"),
    ],
)
@pytest.mark.parametrize("command", [("transform",), ("predict", "--file")])
def test_what_the_server_would_refuse_is_refused_before_anything_is_sent(
    launcher: Launcher,
    tmp_path: Path,
    command: tuple[str, ...],
    content: str,
    message: str,
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(content)
    # Nobody answers there, so sending anything would fail with code 1.
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    result = launcher("--endpoint-url", nowhere, *command, str(rows))
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_fractions_and_dates_reach_the_job_as_seconds(
    launcher: Launcher, trained: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("1.0,318,2015-03-09T18:53:20Z\n1,296,1425927200.5\n")
    options = ("--job", trained, "--dry-run")
    plan = launcher(*IMAGE_AND_ROLE, "transform", str(rows), *options).json["plan"]
    digest = hashlib.sha256(b"1,318,1425927200\n1,296,1425927200.5\n").hexdigest()
    key = f"transform/input/{digest[:16]}.csv"
    assert plan[1]["parameters"]["Key"] == key
