"""Plans for every state of the world: nothing there, half there, all there, and foreign
things with our names.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.plans.setup import (
    LIFECYCLE,
    plan_bucket,
    plan_repository,
    plan_role,
    role_policy,
    trust_policy,
)
from launcher.requests import Action, Call
from launcher.validate import validate
from launcher.world import Account, BucketState, RepositoryState, RoleState

ALL_RIGHT = BucketState("ours", "eu-central-1", True, True, True, True, True)


def operations(plan: list[Action]) -> list[str]:
    calls = [action for action in plan if isinstance(action, Call)]
    assert len(calls) == len(plan)
    for call in calls:
        validate(call.request)
    return [call.request.operation for call in calls]


def test_a_bucket_is_made_with_all_its_properties(
    config: Config, account: Account
) -> None:
    plan = plan_bucket(config, account, BucketState("absent"))
    assert operations(plan) == [
        "CreateBucket",
        "PutBucketTagging",
        "PutPublicAccessBlock",
        "PutBucketEncryption",
        "PutBucketVersioning",
        "PutBucketLifecycleConfiguration",
    ]
    first, *rest = (
        action.request.parameters for action in plan if isinstance(action, Call)
    )
    assert first["CreateBucketConfiguration"] == {"LocationConstraint": "eu-central-1"}
    assert all(
        parameters["ExpectedBucketOwner"] == account.account for parameters in rest
    )


def test_us_east_1_may_not_be_named(config: Config, account: Account) -> None:
    plan = plan_bucket(
        config, replace(account, region="us-east-1"), BucketState("absent")
    )
    assert isinstance(plan[0], Call)
    assert plan[0].request.parameters.keys() == {"Bucket"}


@pytest.mark.parametrize(
    ("lacking", "operation"),
    [
        ("private", "PutPublicAccessBlock"),
        ("encrypted", "PutBucketEncryption"),
        ("versioned", "PutBucketVersioning"),
        ("has_lifecycle", "PutBucketLifecycleConfiguration"),
    ],
)
def test_what_a_bucket_lacks_is_mended(
    config: Config, account: Account, lacking: str, operation: str
) -> None:
    assert operations(
        plan_bucket(config, account, replace(ALL_RIGHT, **{lacking: False}))
    ) == [operation]


def test_a_bucket_that_is_all_right_is_left_alone(
    config: Config, account: Account
) -> None:
    assert plan_bucket(config, account, ALL_RIGHT) == []


def test_an_empty_bucket_without_tags_is_an_unfinished_one_of_ours(
    config: Config, account: Account
) -> None:
    state = BucketState("unclaimed", "eu-central-1", encrypted=True)
    assert operations(plan_bucket(config, account, state))[0] == "PutBucketTagging"


def test_a_foreign_bucket_with_our_name_is_refused(
    config: Config, account: Account
) -> None:
    for state in (BucketState("foreign"), BucketState("foreign", "eu-central-1")):
        with pytest.raises(
            ForeignError,
            match=r"bucket halfstar-123456789012-eu-central-1 is there, but isn't ours",
        ):
            plan_bucket(config, account, state)


def test_a_bucket_that_the_user_named_is_used_as_it_is(
    config: Config, account: Account
) -> None:
    named = replace(config, bucket="theirs")
    assert plan_bucket(named, account, BucketState("foreign", "eu-central-1")) == []
    # Of another account: it can't be used, whoever named it.
    with pytest.raises(ForeignError):
        plan_bucket(named, account, BucketState("foreign"))


def test_a_bucket_of_another_region_is_refused(
    config: Config, account: Account
) -> None:
    with pytest.raises(
        LauncherError, match="is in us-west-2, the jobs in eu-central-1"
    ):
        plan_bucket(config, account, replace(ALL_RIGHT, region="us-west-2"))


def test_a_role_is_made_with_its_policy(config: Config, account: Account) -> None:
    assert operations(plan_role(config, account, RoleState("absent"))) == [
        "CreateRole",
        "PutRolePolicy",
    ]


def test_a_half_made_role_gets_its_policy(config: Config, account: Account) -> None:
    state = RoleState("ours", "arn", trust_policy(account), None)
    assert operations(plan_role(config, account, state)) == ["PutRolePolicy"]


def test_a_role_that_was_changed_is_mended(config: Config, account: Account) -> None:
    right = RoleState(
        "ours", "arn", trust_policy(account), role_policy(config, account)
    )
    assert plan_role(config, account, right) == []
    changed = replace(right, trust={"Version": "2012-10-17", "Statement": []})
    assert operations(plan_role(config, account, changed)) == ["UpdateAssumeRolePolicy"]


def test_a_foreign_role_is_refused_and_a_named_one_used(
    config: Config, account: Account
) -> None:
    with pytest.raises(ForeignError, match="role halfstar-eu-central-1"):
        plan_role(config, account, RoleState("foreign", "arn"))
    assert (
        plan_role(replace(config, role="theirs"), account, RoleState("foreign", "arn"))
        == []
    )
    with pytest.raises(LauncherError, match="role theirs isn't there"):
        plan_role(replace(config, role="theirs"), account, RoleState("absent"))


def test_a_role_may_do_what_a_job_does_and_nothing_else(
    config: Config, account: Account
) -> None:
    for statement in role_policy(config, account)["Statement"]:
        everything = statement["Resource"] == "*"
        # Only what knows no resources, or is narrowed by a condition, may name all of
        # them.
        assert (
            not everything
            or statement["Action"] == ["ecr:GetAuthorizationToken"]
            or "Condition" in statement
        )
        assert all("*" not in action for action in statement["Action"])


def test_a_repository_is_made_mended_or_left_alone(config: Config) -> None:
    assert operations(plan_repository(config, RepositoryState("absent"))) == [
        "CreateRepository",
        "PutLifecyclePolicy",
    ]
    half = RepositoryState("ours", "uri", True, None)
    assert operations(plan_repository(config, half)) == ["PutLifecyclePolicy"]
    unscanned = RepositoryState("ours", "uri", False, LIFECYCLE)
    assert operations(plan_repository(config, unscanned)) == [
        "PutImageScanningConfiguration"
    ]
    assert (
        plan_repository(config, RepositoryState("ours", "uri", True, LIFECYCLE)) == []
    )


def test_a_foreign_repository_is_refused_and_a_named_one_used(config: Config) -> None:
    with pytest.raises(ForeignError, match="repository halfstar"):
        plan_repository(config, RepositoryState("foreign", "uri"))
    assert (
        plan_repository(
            replace(config, repository="theirs"), RepositoryState("foreign", "uri")
        )
        == []
    )
