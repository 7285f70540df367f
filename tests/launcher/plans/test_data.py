from __future__ import annotations

from pathlib import Path

from launcher.config import Config
from launcher.plans.data import LocalFile, plan_data
from launcher.requests import Call
from launcher.world.account import Account

LOCAL = [
    LocalFile(Path("a.csv"), "a.csv", 1, "1"),
    LocalFile(Path("b.csv"), "b.csv", 1, "2"),
]


def test_only_changed_files_are_uploaded_and_vanished_ones_removed(
    config: Config, account: Account
) -> None:
    remote = {"a.csv": "1", "b.csv": "old", "c.csv": "3"}
    sent: list[tuple[str, str]] = []
    for action in plan_data(config, account, LOCAL, remote):
        assert isinstance(action, Call)
        sent.append((action.request.operation, action.request.parameters["Key"]))
    assert sent == [
        ("PutObject", "data/training/b.csv"),
        ("DeleteObject", "data/training/c.csv"),
    ]


def test_nothing_is_sent_if_the_bucket_has_the_same_files(
    config: Config, account: Account
) -> None:
    assert plan_data(config, account, LOCAL, {"a.csv": "1", "b.csv": "2"}) == []
