"""``data`` against a server of AWS's interface."""

from __future__ import annotations

from pathlib import Path

from tests.launcher.conftest import BUCKET, AwsServer, Launcher

WITH_A_BAD_ROW = (
    "userId,movieId,rating,timestamp\n"
    "1,10,4.0,964982703\n"
    "1,10,4.5,964982704\n"
    "2,ten,3.5,964982704\n"
    "3,10,3.0,964982705\n"
)
TABLE = """
[hyperparameters]
on_bad_row = "drop"
bad_row_share = 0.5
"""


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


def uploaded(aws: AwsServer) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=BUCKET)
    return [entry["Key"] for entry in found.get("Contents", [])]


def test_data_with_a_bad_row_is_uploaded_if_the_job_drops_it(
    launcher: Launcher, aws: AwsServer, small_csvs: Path
) -> None:
    assert launcher("init").code == 0
    (small_csvs / "ratings.csv").write_text(WITH_A_BAD_ROW)

    refused = launcher("data")
    assert refused.code == 2
    assert "training/ratings.csv line 4: movieId is 'ten'" in refused.err
    assert uploaded(aws) == []

    (launcher.folder / "halfstar.toml").write_text(TABLE)
    accepted = launcher("data", "--json")
    assert accepted.code == 0
    assert accepted.json["ratings"] == 2
    assert accepted.json["dropped"] == {"duplicate": 1, "bad_row": 1}
    assert "training will drop 2 of 4 ratings: 1 duplicate, 1 bad row" in accepted.err
    assert uploaded(aws) == ["data/training/movies.csv", "data/training/ratings.csv"]


def test_nothing_is_said_of_rows_if_none_is_dropped(launcher: Launcher) -> None:
    assert launcher("init").code == 0
    assert "drop" not in launcher("data").err


def test_a_share_of_bad_rows_that_the_job_would_refuse_is_refused(
    launcher: Launcher,
) -> None:
    result = launcher("--set", "hyperparameters.bad_row_share=2", "data")
    assert result.code == 2
    assert "hyperparameter bad_row_share is '2', expected a number" in result.err


def test_a_missing_bucket_is_named_with_what_to_do(launcher: Launcher) -> None:
    result = launcher("data")
    assert result.code == 1
    assert result.err.endswith(
        f"launcher: there is no bucket {BUCKET}: run `launcher init`\n"
    )
