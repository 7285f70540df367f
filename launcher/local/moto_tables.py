"""What requests refer to in moto's tables: roles, keys, subnets and security groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import Role, iam_backends
from moto.kms.models import Key, kms_backends

from launcher.local.errors import invalid
from launcher.local.settings import ACCOUNT
from movielens.json_text import parse_json

_SAGEMAKER = "sagemaker.amazonaws.com"


def find_role(name: str) -> Role | None:
    """The role of a name or an ARN, if there is one."""
    for role in iam_backends[ACCOUNT]["aws"].roles.values():
        if name in (role.name, role.arn):
            return role
    return None


def find_key(name: str, region: str) -> Key | None:
    """The KMS key of an ID, an ARN or an alias, if there is one."""
    kms = kms_backends[ACCOUNT][region]
    key_id = name.rpartition(":")[2].removeprefix("key/")
    if key_id.startswith("alias/"):
        key_id = kms.get_key_id_from_alias(key_id) or ""
    return kms.keys.get(key_id)


def check_role(arn: str) -> None:
    """Return if SageMaker may assume the role.

    Raises:
        RefusedError: if there is no such role, or its trust policy doesn't name
            SageMaker.
    """
    role = find_role(arn)
    policy = parse_json(role.assume_role_policy_document) if role else {}
    if not any(_trusts_sagemaker(each) for each in as_list(policy.get("Statement"))):
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and "
            f"allows principal '{_SAGEMAKER}' to assume the role."
        )


def check_references(parameters: Mapping[str, Any], region: str) -> None:
    """Return if the keys, subnets and security groups of a request exist.

    Raises:
        RefusedError: if one doesn't.
    """
    for name, value in parameters.items():
        for part in as_list(value):
            if isinstance(part, dict):
                check_references(part, region)
        if name.endswith("KmsKeyId") and value and find_key(value, region) is None:
            raise invalid(f"{name}: Invalid keyId {value}")
        if name == "VpcConfig":
            ec2 = ec2_backends[ACCOUNT][region]
            groups = {group.id for group in ec2.describe_security_groups()}
            known = groups | {subnet.id for subnet in ec2.describe_subnets()}
            for each in (*value["Subnets"], *value["SecurityGroupIds"]):
                if each not in known:
                    raise invalid(f"{name}: there is no {each}")


def as_list(value: Any) -> list[Any]:
    """IAM's policies have one value where they could have a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _trusts_sagemaker(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    if statement.get("Effect") != "Allow" or not isinstance(principal, dict):
        return False
    return _SAGEMAKER in as_list(principal.get("Service"))
