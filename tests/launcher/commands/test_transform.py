"""What ``transform`` plans. Real transforms are in tests/launcher/local."""

from __future__ import annotations

import hashlib
from pathlib import Path

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
    assert f"{rows} line 2: '1,x'" in result.err
