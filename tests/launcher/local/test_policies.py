"""What policies allow and deny."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launcher.local.policies import Need, allows

REGION = "aws:RequestedRegion"
ROLE = "arn:aws:iam::123456789012:role/halfstar-eu-west-1"


def decision(
    *statements: dict[str, Any],
    action: str,
    resource: str | None = ROLE,
) -> bool:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return allows([document], Need(action, resource, {REGION.lower(): "eu-west-1"}))


def allow(action: Any, resource: Any = "*", **members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **members}


def under(operator: str, test: dict[str, Any]) -> dict[str, Any]:
    return allow("iam:PassRole", Condition={operator: test})


@pytest.mark.parametrize(
    "statement",
    [
        allow("*"),
        allow("iam:*"),
        allow("IAM:passrole"),
        allow(["s3:GetObject", "iam:Pass?ole"]),
        allow("iam:PassRole", "arn:aws:iam::*:role/halfstar-*"),
        allow("iam:PassRole", ["arn:aws:s3:::a", ROLE]),
        allow(
            "iam:PassRole",
            Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
        ),
        allow(
            "iam:PassRole",
            Condition={"StringLike": {"aws:RequestedRegion": ["us-*", "eu-*"]}},
        ),
        allow(
            "iam:PassRole", Condition={"StringNotEquals": {"aws:RequestedRegion": "x"}}
        ),
        allow(
            "iam:PassRole", Condition={"BoolIfExists": {"aws:SecureTransport": "true"}}
        ),
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::*"},
    ],
)
def test_statements_that_allow(statement: dict[str, Any]) -> None:
    assert decision(statement, action="iam:PassRole")


@pytest.mark.parametrize(
    "statement",
    [
        allow("iam:GetRole"),
        allow("iam:PassRole", "arn:aws:iam::*:role/other"),
        allow("iam:PassRole", ROLE.upper()),
        under("StringEquals", {REGION: "x"}),
        under("StringEquals", {"aws:Nothing": "x"}),
        under("DateLessThan", {"aws:CurrentTime": "x"}),
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
    ],
)
def test_statements_that_do_not_allow(statement: dict[str, Any]) -> None:
    assert not decision(statement, action="iam:PassRole")


def test_an_explicit_deny_counts_before_any_allow() -> None:
    deny = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": ROLE}
    assert not decision(allow("*"), deny, action="iam:PassRole")
    other = {**deny, "Resource": "arn:aws:iam::*:role/other"}
    assert decision(allow("*"), other, action="iam:PassRole")


def test_a_resource_that_cannot_be_told_matches_any() -> None:
    statement = allow("cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:*:*:alarm:a*")
    assert decision(statement, action="cloudwatch:PutMetricAlarm", resource=None)
