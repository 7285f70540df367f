"""What is read of bucket, role and repository, from a server of AWS's interface."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.aws import Aws
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.world.account import Account
from launcher.world.resources import (
    BucketState,
    RepositoryState,
    RoleState,
    read_bucket,
    read_repository,
    read_role,
    role_arn,
)
from tests.launcher.conftest import (
    BUCKET,
    REGION,
    ROLE,
    AwsServer,
    Launcher,
    create_bucket,
)


def test_nothing_exists_in_an_empty_account(
    connection: Aws, config: Config, account: Account
) -> None:
    assert read_bucket(connection, config, account) == BucketState("absent")
    assert read_role(connection, config) == RoleState("absent")
    assert read_repository(connection, config) == RepositoryState("absent")


def test_an_empty_bucket_without_tags_is_unclaimed(
    connection: Aws, aws: AwsServer, config: Config, account: Account
) -> None:
    create_bucket(aws)
    state = read_bucket(connection, config, account)
    assert (state.ownership, state.region) == ("unclaimed", REGION)
    assert not state.tags
    assert not state.versioned


def test_a_bucket_with_content_and_without_our_tag_is_foreign(
    connection: Aws, aws: AwsServer, config: Config, account: Account
) -> None:
    create_bucket(aws)
    aws.client("s3").put_object(Bucket=BUCKET, Key="k", Body=b"x")
    state = read_bucket(connection, config, account)
    assert (state.ownership, state.region) == ("foreign", REGION)


def test_what_init_made_is_ours_and_complete(
    launcher: Launcher, connection: Aws, config: Config, account: Account
) -> None:
    assert launcher("init").code == 0
    assert read_bucket(connection, config, account) == BucketState(
        "ours",
        REGION,
        tags={"halfstar": "halfstar"},
        private=True,
        key="",
        versioned=True,
        has_lifecycle=True,
    )
    assert read_role(connection, config).ownership == "ours"
    repository = read_repository(connection, config)
    assert (repository.ownership, repository.scans) == ("ours", True)


def test_what_another_project_made_is_foreign(
    launcher: Launcher, connection: Aws, config: Config
) -> None:
    assert launcher("init").code == 0
    other = replace(config, name="other", role=f"halfstar-{REGION}")
    assert read_role(connection, other).ownership == "foreign"


def test_a_role_that_does_not_exist_is_named(connection: Aws, config: Config) -> None:
    with pytest.raises(LauncherError, match=f"role halfstar-{REGION} doesn't exist"):
        role_arn(connection, config)


def test_a_role_given_as_arn_is_taken_without_a_look(
    connection: Aws, config: Config
) -> None:
    assert role_arn(connection, replace(config, role=ROLE)) == ROLE
