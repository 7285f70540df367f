from __future__ import annotations

from pathlib import Path

import pytest

from launcher.config import Config
from launcher.policies import (
    MANAGED_POLICY_CHARACTERS,
    boundary_policy,
    managed_policies,
    operator_policy,
    role_policy,
    size_of,
)
from launcher.world.account import Account

KEY = "arn:aws:kms:eu-central-1:123456789012:key/{}234abcd-12ab-34cd-56ef-1234567890ab"
IMAGE = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/shared/halfstar@sha256:1"
EVERYTHING = {
    "name": "Stars-of-the-recommendations-prod",
    "region": "eu-central-1",
    "image": IMAGE,
    "hosting.endpoint": "An-endpoint-whose-name-is-not-that-of-the-project",
    "network.subnets": "subnet-0a1b2c3d,subnet-4e5f6a7b",
    "network.security_groups": "sg-0a1b2c3d",
    "keys.bucket": KEY.format(1),
    "keys.output": KEY.format(2),
    "keys.volume": "alias/the-disks-of-the-recommendations",
    "keys.endpoint": KEY.format(3),
    "iam.boundary": "arn:aws:iam::123456789012:policy/teams/stars/the-boundary",
    "iam.path": "/teams/recommendations/stars/",
    "scaling.max": "6",
    "capture.percent": "20",
    "alarms.errors": "5",
}


@pytest.fixture
def everything() -> Config:
    """Every setting that a policy depends on, with long names."""
    config, _ = Config.load(Path("no-file"), {}, EVERYTHING)
    return config


def test_with_everything_configured_each_part_of_the_policy_fits(
    everything: Config, account: Account
) -> None:
    whole = operator_policy(everything, account)
    assert size_of(whole) > MANAGED_POLICY_CHARACTERS

    parts = managed_policies(whole)
    assert len(parts) == 2
    assert all(size_of(part) <= MANAGED_POLICY_CHARACTERS for part in parts)
    statements = [statement for part in parts for statement in part["Statement"]]
    assert statements == whole["Statement"]


def test_a_policy_that_fits_stays_in_one_part(config: Config, account: Account) -> None:
    policy = operator_policy(config, account)
    assert managed_policies(policy) == [policy]


def test_the_policies_of_the_role_fit_with_everything_configured(
    everything: Config, account: Account
) -> None:
    for make in (role_policy, boundary_policy):
        policy = make(everything, account)
        assert managed_policies(policy) == [policy]


def test_an_image_of_another_repository_may_be_pulled(
    everything: Config, account: Account
) -> None:
    shared = "arn:aws:ecr:eu-central-1:210987654321:repository/shared/halfstar"
    for make in (operator_policy, role_policy, boundary_policy):
        statements = make(everything, account)["Statement"]
        pulls = [each for each in statements if "ecr:BatchGetImage" in each["Action"]]
        assert [shared in each["Resource"] for each in pulls] == [True]


def test_a_beginning_that_another_one_covers_is_left_out(account: Account) -> None:
    config = Config(region="eu-central-1", hosting_endpoint="halfstar-second")
    by_sid = {
        statement["Sid"]: statement["Resource"]
        for statement in operator_policy(config, account)["Statement"]
    }
    beginning = "arn:aws:sagemaker:eu-central-1:123456789012"
    assert by_sid["Endpoints"] == [
        f"{beginning}:endpoint/halfstar*",
        f"{beginning}:endpoint-config/halfstar*",
    ]
