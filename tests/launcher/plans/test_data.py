from __future__ import annotations

from pathlib import Path

from launcher.config import Config
from launcher.plans.data import LocalFile, plan_data
from launcher.requests import Call
from launcher.world.account import Account
from tests.launcher.conftest import ACCOUNT, REGION

RATINGS = LocalFile(Path("csvs/ratings.csv"), "ratings.csv", 1234, "aa")
MOVIES = LocalFile(Path("csvs/movies.csv"), "movies.csv", 99, "bb")


def test_nothing_is_planned_if_the_bucket_has_the_same_files(
    config: Config, account: Account
) -> None:
    remote = {"ratings.csv": "aa", "movies.csv": "bb"}
    assert plan_data(config, account, [RATINGS, MOVIES], remote) == []


def test_changed_files_are_uploaded_and_gone_ones_removed(
    config: Config, account: Account
) -> None:
    remote = {"movies.csv": "bb", "ratings.csv": "another", "old.csv": "cc"}
    upload, remove = plan_data(config, account, [RATINGS, MOVIES], remote)

    assert isinstance(upload, Call)
    assert upload.request.operation == "PutObject"
    assert upload.request.parameters == {
        "Bucket": f"halfstar-{ACCOUNT}-{REGION}",
        "ExpectedBucketOwner": ACCOUNT,
        "Key": "data/training/ratings.csv",
        "Body": RATINGS.path,
        "Metadata": {"sha256": "aa"},
    }

    assert isinstance(remove, Call)
    assert remove.request.operation == "DeleteObject"
    assert remove.request.parameters["Key"] == "data/training/old.csv"


def test_an_object_without_a_digest_is_replaced(
    config: Config, account: Account
) -> None:
    [upload] = plan_data(config, account, [MOVIES], {"movies.csv": ""})
    assert isinstance(upload, Call)
    assert upload.request.operation == "PutObject"
