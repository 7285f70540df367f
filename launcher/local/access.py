"""Who may call what: the administrator's key may do everything, and other keys are
those that the stack's own IAM and STS gave. If the stack enforces IAM, policies decide
what these may do: by action, resource, and the role that is passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.iam.access_control import CreateAccessKeyFailure, create_access_key
from moto.s3.responses import ACTION_MAP
from werkzeug.wrappers import Request

from launcher.local.errors import RefusedError
from launcher.local.gateway import Call, parameters_of
from launcher.local.moto_tables import as_list, find_key, find_role
from launcher.local.policies import Need, allows, role_allows
from launcher.local.settings import ACCOUNT, StackSettings

# Paths of services whose every request has a signature.
_SIGNED = ("/_local/", "/endpoints/")
# The prefix of a service's actions, where it isn't the name that it signs with.
_PREFIXES = {"monitoring": "cloudwatch"}
_RUNTIME = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_PASSED_ROLES = ("RoleArn", "ExecutionRoleArn")
# How to tell what a call is about: the service, the member of its request that may name
# it, and the end of its ARN. The member may also hold a whole ARN.
_RESOURCES = (
    ("application-autoscaling", "ResourceId", "scalable-target/{}"),
    ("ecr", "repositoryName", "repository/{}"),
    ("ecr", "repositoryNames", "repository/{}"),
    ("ecr", "resourceArn", "{}"),
    ("iam", "PolicyArn", "{}"),
    ("kms", "KeyId", "key/{}"),
    ("logs", "logGroupName", "log-group:{}:log-stream:*"),
    ("monitoring", "AlarmName", "alarm:{}"),
    ("monitoring", "AlarmNames", "alarm:{}"),
    ("monitoring", "DashboardName", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{{}}"),
    ("monitoring", "DashboardNames", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{{}}"),
    ("monitoring", "ResourceARN", "{}"),
    ("sts", "RoleArn", "{}"),
)
# Actions of S3 by the subresource in the query, where moto doesn't know them.
_S3_SETTINGS = {
    "encryption": "EncryptionConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
}


def check_access(settings: StackSettings, call: Call, request: Request) -> None:
    """Return if a call is allowed. S3 also takes some without a signature.

    Args:
        settings: of the stack.
        call: who calls what.
        request: of the call.

    Raises:
        RefusedError: if it isn't, in the words of the service that is called.
    """
    if call.key == settings.access_key:
        return
    if not call.key:
        if "X-Amz-Target" in request.headers or request.path.startswith(_SIGNED):
            raise RefusedError(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            )
        return
    try:
        owner = create_access_key(ACCOUNT, "aws", call.key, dict(request.headers))
    except (CreateAccessKeyFailure, KeyError) as error:
        raise _unknown_key(call, request) from error
    if not settings.enforces_iam:
        return
    for need in _needed(call, request):
        if not _is_allowed(owner, need):
            raise _denied(call, owner.arn, need)


def _is_allowed(owner: Any, need: Need) -> bool:
    if need.action == "sts:GetCallerIdentity":
        return True
    if ":assumed-role/" in owner.arn:
        role = find_role(owner.arn.split("/")[1])
        return role is not None and role_allows(role, need)
    return allows(owner.collect_policies(), need)


def _needed(call: Call, request: Request) -> Iterator[Need]:
    context: dict[str, Any] = {"aws:requestedregion": call.region}
    prefix = _PREFIXES.get(call.service, call.service)
    arn = f"arn:aws:{prefix}:{call.region}:{ACCOUNT}:"
    if call.service == "s3":
        yield Need(*_s3_action(request), context)
        return
    if request.path.startswith("/endpoints/"):
        _, _, endpoint, kind = request.path.split("/", 3)
        action = f"sagemaker:{_RUNTIME.get(kind, kind)}"
        yield Need(action, f"{arn}endpoint/{endpoint}", context)
        return

    parameters = parameters_of(call, request)
    for tag in parameters.get("Tags", parameters.get("tags", [])):
        if isinstance(tag, dict):
            name = f"aws:requesttag/{str(tag.get('Key')).lower()}"
            context[name] = str(tag.get("Value"))
    role = find_role(parameters.get("RoleName", ""))
    boundary = getattr(role, "permissions_boundary_arn", None)
    boundary = parameters.get("PermissionsBoundary", boundary)
    if boundary:
        context["iam:permissionsboundary"] = boundary
    if call.service == "kms" and "KeyId" in parameters:
        key = find_key(parameters["KeyId"], call.region)
        parameters["KeyId"] = getattr(key, "arn", parameters["KeyId"])
        context["kms:resourcealiases"] = list(getattr(key, "aliases", []))
    for resource in _resources(call, arn, parameters):
        yield Need(f"{prefix}:{call.operation}", resource, context)
    if call.service == "sagemaker":
        to_sagemaker = {"iam:passedtoservice": "sagemaker.amazonaws.com"}
        for part in (parameters, parameters.get("TrainingJobDefinition", {})):
            for name in _PASSED_ROLES:
                if name in part:
                    yield Need("iam:PassRole", part[name], context | to_sagemaker)


def _resources(
    call: Call, arn: str, parameters: Mapping[str, Any]
) -> list[str] | list[None]:
    """The ARNs of what a call is about; ``*`` if that is nothing in particular; None if
    it can't be told.
    """
    if call.service == "iam" and "RoleName" in parameters:
        role = find_role(parameters["RoleName"])
        if role is None and "Path" not in parameters:
            # Its ARN would have a path.
            return [None]
        path = parameters.get("Path")
        made = f"arn:aws:iam::{ACCOUNT}:role{path}{parameters['RoleName']}"
        return [getattr(role, "arn", made)]
    members = {
        name: end for service, name, end in _RESOURCES if service == call.service
    }
    if call.service == "sagemaker":
        members = _sagemaker_members(call.operation, parameters)
    for member, template in members.items():
        if parameters.get(member):
            # Some names are ARNs, and some ARNs have no region.
            before = "" if template.startswith("arn:") else arn
            values = [str(value) for value in as_list(parameters[member])]
            return [
                value if value.startswith("arn:") else before + template.format(value)
                for value in values
            ]
    return ["*"]


def _sagemaker_members(operation: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The members that may name what a call of SageMaker's is about."""
    if operation == "CreateModelPackage":
        return {"ModelPackageGroupName": "model-package/{}/*"}
    # The longest of the names that the operation's own name has.
    nouns = [
        name.removesuffix("Name")
        for name in parameters
        if name.endswith("Name") and name.removesuffix("Name") in operation
    ]
    members = {"ResourceArn": "{}", "ModelPackageArn": "{}"}
    for noun in sorted(nouns, key=len, reverse=True):
        kind = re.sub(r"(?<!^)(?=[A-Z])", "-", noun).lower()
        members[f"{noun}Name"] = f"{kind}/{{}}"
    return members


def _s3_action(request: Request) -> tuple[str, str]:
    """Action and resource of a request to S3."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    if not bucket:
        return "s3:ListAllMyBuckets", "*"
    if request.method == "POST" and "delete" in request.args:
        return "s3:DeleteObject", f"arn:aws:s3:::{bucket}/*"
    if not key:
        for setting, name in _S3_SETTINGS.items():
            if setting in request.args:
                verb = "Get" if request.method == "GET" else "Put"
                return f"s3:{verb}{name}", f"arn:aws:s3:::{bucket}"
    actions = ACTION_MAP["KEY" if key else "BUCKET"].get(request.method, {})
    action = actions.get("DEFAULT", "PutObject")
    for setting, name in actions.items():
        if setting in request.args:
            action = name
    if action == "HeadBucket":
        action = "ListBucket"
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    return f"s3:{action}", resource


def _denied(call: Call, who: str, need: Need) -> RefusedError:
    message = (
        f"User: {who} is not authorized to perform: {need.action} on resource: "
        f"{need.resource or '*'} because no identity-based policy allows the "
        f"{need.action} action"
    )
    if call.service in ("s3", "iam", "sts", "ec2", "monitoring"):
        return RefusedError("AccessDenied", message, 403)
    return RefusedError("AccessDeniedException", message)


def _unknown_key(call: Call, request: Request) -> RefusedError:
    if call.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return RefusedError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    if "X-Amz-Target" in request.headers or call.service == "sagemaker":
        return RefusedError("UnrecognizedClientException", message)
    return RefusedError("InvalidClientTokenId", message, 403)
