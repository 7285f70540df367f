"""Plans for every state: nothing exists, half of it, all of it, and foreign resources
that have our names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from launcher.config import Config
from launcher.errors import ForeignError, LauncherError
from launcher.plans.setup import (
    REPOSITORY_LIFECYCLE,
    plan_bucket,
    plan_repository,
    plan_role,
    trust_policy,
)
from launcher.policies import role_policy
from launcher.requests import Action, Call
from launcher.validate import validate
from launcher.world.account import Account
from launcher.world.resources import BucketState, RepositoryState, RoleState

OUR_TAGS = {"halfstar": "halfstar"}
REPOSITORY = RepositoryState(
    "ours", "uri", True, REPOSITORY_LIFECYCLE, arn="arn", tags=OUR_TAGS
)
COMPLETE = BucketState(
    "ours",
    "eu-central-1",
    tags={"halfstar": "halfstar"},
    private=True,
    key="",
    versioned=True,
    has_lifecycle=True,
)


def calls(plan: Sequence[Action]) -> list[Call]:
    """The actions of a plan, which are all calls that the services take."""
    found: list[Call] = []
    for action in plan:
        assert isinstance(action, Call)
        validate(action.request)
        found.append(action)
    return found


def operations(plan: Sequence[Action]) -> list[str]:
    return [call.request.operation for call in calls(plan)]


def test_a_bucket_is_created_with_all_its_properties(
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
    create, *properties = calls(plan)
    location = create.request.parameters["CreateBucketConfiguration"]
    assert location == {"LocationConstraint": "eu-central-1"}
    for put in properties:
        assert put.request.parameters["ExpectedBucketOwner"] == account.id


def test_a_bucket_in_us_east_1_is_created_without_naming_the_region(
    config: Config, account: Account
) -> None:
    account = replace(account, region="us-east-1")
    create = calls(plan_bucket(config, account, BucketState("absent")))[0]
    assert create.request.parameters.keys() == {"Bucket"}


@pytest.mark.parametrize(
    ("state", "operation"),
    [
        (replace(COMPLETE, private=False), "PutPublicAccessBlock"),
        (replace(COMPLETE, key=None), "PutBucketEncryption"),
        (replace(COMPLETE, versioned=False), "PutBucketVersioning"),
        (replace(COMPLETE, has_lifecycle=False), "PutBucketLifecycleConfiguration"),
    ],
)
def test_a_bucket_gets_the_property_that_it_lacks(
    config: Config, account: Account, state: BucketState, operation: str
) -> None:
    assert operations(plan_bucket(config, account, state)) == [operation]


def test_a_complete_bucket_is_left_alone(config: Config, account: Account) -> None:
    assert plan_bucket(config, account, COMPLETE) == []


def test_an_empty_bucket_without_tags_is_an_unfinished_one_of_ours(
    config: Config, account: Account
) -> None:
    state = BucketState("unclaimed", "eu-central-1", key="")
    assert operations(plan_bucket(config, account, state))[0] == "PutBucketTagging"


@pytest.mark.parametrize(
    ("region", "said"),
    [("", "lets nobody look"), ("eu-central-1", "exists, but isn't ours")],
)
def test_a_foreign_bucket_with_our_name_is_refused(
    config: Config, account: Account, region: str, said: str
) -> None:
    name = "halfstar-123456789012-eu-central-1"
    with pytest.raises(ForeignError, match=f"bucket {name} {said}"):
        plan_bucket(config, account, BucketState("foreign", region))


def test_a_bucket_that_the_user_named_is_used_as_it_is(
    config: Config, account: Account
) -> None:
    named = replace(config, bucket="theirs")
    assert plan_bucket(named, account, BucketState("foreign", "eu-central-1")) == []


def test_a_bucket_that_does_not_let_us_look_is_refused_even_if_the_user_named_it(
    config: Config, account: Account
) -> None:
    named = replace(config, bucket="theirs")
    with pytest.raises(ForeignError):
        plan_bucket(named, account, BucketState("foreign"))


def test_a_bucket_of_another_region_is_refused(
    config: Config, account: Account
) -> None:
    elsewhere = replace(COMPLETE, region="us-west-2")
    message = "is in us-west-2, the jobs are in eu-central-1"
    with pytest.raises(LauncherError, match=message):
        plan_bucket(config, account, elsewhere)


def test_a_role_is_created_with_its_policy(config: Config, account: Account) -> None:
    plan = plan_role(config, account, RoleState("absent"))
    assert operations(plan) == ["CreateRole", "PutRolePolicy"]


def test_a_half_made_role_gets_its_policy(config: Config, account: Account) -> None:
    state = RoleState("ours", "arn", trust_policy(account), policy=None, tags=OUR_TAGS)
    assert operations(plan_role(config, account, state)) == ["PutRolePolicy"]


def test_a_role_that_was_changed_is_corrected(config: Config, account: Account) -> None:
    policy = role_policy(config, account)
    right = RoleState("ours", "arn", trust_policy(account), policy, tags=OUR_TAGS)
    assert plan_role(config, account, right) == []
    changed = replace(right, trust={"Version": "2012-10-17", "Statement": []})
    assert operations(plan_role(config, account, changed)) == ["UpdateAssumeRolePolicy"]


def test_a_foreign_role_with_our_name_is_refused(
    config: Config, account: Account
) -> None:
    with pytest.raises(ForeignError, match="role halfstar-eu-central-1"):
        plan_role(config, account, RoleState("foreign", "arn"))


def test_a_role_that_the_user_named_is_used_as_it_is(
    config: Config, account: Account
) -> None:
    named = replace(config, role="theirs")
    assert plan_role(named, account, RoleState("foreign", "arn")) == []
    with pytest.raises(LauncherError, match="role theirs doesn't exist"):
        plan_role(named, account, RoleState("absent"))


def test_the_role_may_do_what_a_job_does_and_nothing_else(
    config: Config, account: Account
) -> None:
    for statement in role_policy(config, account)["Statement"]:
        actions = statement["Action"]
        assert all("*" not in action for action in actions)
        # All resources may be named by an action that knows no resources, or under a
        # condition.
        if statement["Resource"] == "*":
            knows_none = actions == ["ecr:GetAuthorizationToken"]
            assert knows_none or "Condition" in statement


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RepositoryState("absent"), ["CreateRepository", "PutLifecyclePolicy"]),
        (replace(REPOSITORY, lifecycle=None), ["PutLifecyclePolicy"]),
        (
            replace(REPOSITORY, scans=False),
            ["PutImageScanningConfiguration"],
        ),
        (REPOSITORY, []),
    ],
)
def test_a_repository_is_created_completed_or_left_alone(
    config: Config, state: RepositoryState, expected: list[str]
) -> None:
    assert operations(plan_repository(config, state)) == expected


def test_a_foreign_repository_is_refused_unless_the_user_named_it(
    config: Config,
) -> None:
    foreign = RepositoryState("foreign", "uri")
    with pytest.raises(ForeignError, match="repository halfstar"):
        plan_repository(config, foreign)
    assert plan_repository(replace(config, repository="theirs"), foreign) == []


def test_tags_that_are_added_later_are_applied_beside_those_of_others(
    config: Config, account: Account
) -> None:
    tagged = replace(config, tags={"team": "a"})
    theirs = {"halfstar": "halfstar", "cost-centre": "7"}
    (put,) = calls(plan_bucket(tagged, account, replace(COMPLETE, tags=theirs)))
    pairs = put.request.parameters["Tagging"]["TagSet"]
    assert {pair["Key"]: pair["Value"] for pair in pairs} == theirs | {"team": "a"}

    (tag,) = calls(plan_repository(tagged, REPOSITORY))
    assert tag.request.operation == "TagResource"
    assert tag.request.parameters["tags"] == [{"Key": "team", "Value": "a"}]

    policy = role_policy(tagged, account)
    role = RoleState("ours", "arn", trust_policy(account), policy, tags=OUR_TAGS)
    (tag,) = calls(plan_role(tagged, account, role))
    assert tag.request.operation == "TagRole"
    assert tag.request.parameters["Tags"] == [{"Key": "team", "Value": "a"}]
