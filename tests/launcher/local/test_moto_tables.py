"""Roles, keys and networks that requests refer to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.kms.models import kms_backends

from launcher.local.errors import RefusedError
from launcher.local.moto_tables import check_references, check_role, find_key
from launcher.local.settings import ACCOUNT
from tests.launcher.local.conftest import STATEMENT

REGION = "eu-west-1"


def create_role(name: str, statement: dict[str, Any]) -> str:
    from moto.iam.models import iam_backends

    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam = iam_backends[ACCOUNT]["aws"]
    return iam.create_role(name, document, "/", None, "", [], None).arn


def test_a_role_that_trusts_sagemaker_may_be_assumed() -> None:
    services = ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]
    check_role(
        create_role("several", {**STATEMENT, "Principal": {"Service": services}})
    )


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lambda-role", {"Principal": {"Service": "lambda.amazonaws.com"}}),
        ("account-role", {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
        ("denied", {"Effect": "Deny"}),
    ],
)
def test_a_role_that_does_not_trust_sagemaker_is_refused(
    name: str, changed: dict[str, Any]
) -> None:
    arn = create_role(name, {**STATEMENT, **changed})
    with pytest.raises(RefusedError, match=f"Could not assume role {arn}"):
        check_role(arn)


def test_a_role_that_there_is_not_is_refused() -> None:
    with pytest.raises(RefusedError, match="Could not assume role nobody"):
        check_role("nobody")


def test_a_key_is_found_by_its_id_its_arn_and_its_alias() -> None:
    kms = kms_backends[ACCOUNT][REGION]
    key = kms.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", [], False)
    kms.create_alias(key.id, "alias/mine")
    for name in (key.id, key.arn, "alias/mine"):
        assert find_key(name, REGION) is key
        check_references({"OutputDataConfig": {"KmsKeyId": name}}, REGION)
    with pytest.raises(RefusedError, match="KmsKeyId: Invalid keyId alias/yours"):
        check_references({"Outputs": [{"KmsKeyId": "alias/yours"}]}, REGION)


def test_networks_must_exist() -> None:
    network = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    with pytest.raises(RefusedError, match="VpcConfig: there is no subnet-1"):
        check_references({"VpcConfig": network}, REGION)
