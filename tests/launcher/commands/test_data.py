"""``data`` against a server of AWS's interface."""

from __future__ import annotations

from pathlib import Path

from tests.launcher.conftest import BUCKET, AwsServer, Launcher


def test_only_files_that_changed_are_uploaded(
    launcher: Launcher, aws: AwsServer, small_csvs: Path
) -> None:
    assert launcher("init").code == 0
    assert launcher("data", "--json").json["changed"] == 2

    ratings = small_csvs / "ratings.csv"
    ratings.write_text("userId,movieId,rating,timestamp\n1,10,5.0,964982703\n")
    plan = launcher("data", "--dry-run").json["plan"]
    keys = [step["parameters"]["Key"] for step in plan]
    assert keys == ["data/training/ratings.csv"]
    assert plan[0]["parameters"]["Body"] == f"file://{ratings}"

    assert launcher("data", "--json").json["changed"] == 1
    assert launcher("data", "--json").json["changed"] == 0
    s3 = aws.client("s3")
    stored = s3.get_object(Bucket=BUCKET, Key="data/training/ratings.csv")
    assert stored["Body"].read() == ratings.read_bytes()


def test_data_that_training_would_refuse_is_not_uploaded(
    launcher: Launcher, aws: AwsServer, small_csvs: Path
) -> None:
    assert launcher("init").code == 0
    (small_csvs / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,ten,3.5,964982704\n"
    )
    result = launcher("data")
    assert result.code == 2
    assert "ratings.csv line 3: movieId is 'ten'" in result.err
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=BUCKET)
