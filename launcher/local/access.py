"""Who may call what: the administrator's key may do everything, and other keys are
those that the stack's own IAM and STS gave. If the stack enforces IAM, policies decide
what these may do: by action, resource, and the role that is passed.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Request

from launcher.local.errors import RefusedError
from launcher.local.gateway import Call, body_of
from launcher.local.settings import ACCOUNT, StackSettings
from movielens.json_text import parse_json

# Paths of services whose every request has a signature.
_SIGNED = ("/_local/", "/endpoints/", "/service/")
# The prefix of a service's actions, where it isn't the name that it signs with.
_PREFIXES = {"monitoring": "cloudwatch"}
_RUNTIME = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_PASSED_ROLES = ("RoleArn", "ExecutionRoleArn")
# Actions of S3 by the subresource in the query, where moto doesn't know them.
_S3_SETTINGS = {
    "encryption": "EncryptionConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
}


class Access:
    """Checks every call."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings

    def check(self, call: Call, request: Request) -> None:
        """Return if a call is allowed. S3 also takes some without a signature.

        Raises:
            RefusedError: if it isn't, in the words of the service that is called.
        """
        if call.key == self._settings.access_key:
            return
        if not call.key:
            if "X-Amz-Target" in request.headers or request.path.startswith(_SIGNED):
                raise RefusedError(
                    "MissingAuthenticationTokenException",
                    "Missing Authentication Token",
                )
            return
        from moto.iam.access_control import CreateAccessKeyFailure, create_access_key

        headers = dict(request.headers)
        try:
            owner = create_access_key(ACCOUNT, "aws", call.key, headers)
        except (CreateAccessKeyFailure, KeyError) as error:
            raise _unknown_key(call, request) from error
        if not self._settings.enforces_iam:
            return
        for action, resource, context in _needed(call, request):
            if not _is_allowed(owner, action, resource, context):
                raise _denied(call, owner.arn, action, resource)


def _is_allowed(
    owner: Any, action: str, resource: str | None, context: Mapping[str, str]
) -> bool:
    from launcher.local.policies import ALLOWED, decide, decide_for_role

    if action == "sts:GetCallerIdentity":
        return True
    if ":assumed-role/" in owner.arn:
        role = owner.arn.rpartition("/")[0]
        return decide_for_role(role, action, resource, context) == ALLOWED
    return decide(owner.collect_policies(), action, resource, context) == ALLOWED


def _needed(
    call: Call, request: Request
) -> Iterator[tuple[str, str | None, dict[str, str]]]:
    """The actions that a call needs, each with its resource and what is known of it."""
    context = {"aws:requestedregion": call.region}
    arn = f"arn:aws:{call.service}:{call.region}:{ACCOUNT}"
    if call.service == "s3":
        yield (*_s3_action(request), context)
        return
    if request.path.startswith("/endpoints/"):
        _, _, endpoint, kind = request.path.split("/", 3)
        yield (
            f"sagemaker:{_RUNTIME.get(kind, kind)}",
            f"{arn}:endpoint/{endpoint}",
            context,
        )
        return

    parameters = _parameters(request)
    for tag in parameters.get("Tags", parameters.get("tags", [])):
        if isinstance(tag, dict):
            context[f"aws:requesttag/{str(tag.get('Key')).lower()}"] = str(
                tag.get("Value")
            )
    role = _role(parameters.get("RoleName"))
    boundary = getattr(role, "permissions_boundary_arn", None)
    boundary = parameters.get("PermissionsBoundary", boundary)
    if boundary:
        context["iam:permissionsboundary"] = boundary
    prefix = _PREFIXES.get(call.service, call.service)
    yield f"{prefix}:{call.operation}", _resource(call, arn, parameters), context
    passed = [
        value
        for part in (parameters, parameters.get("TrainingJobDefinition", {}))
        for name, value in part.items()
        if name in _PASSED_ROLES
    ]
    if call.service == "sagemaker":
        for role in passed:
            to_sagemaker = {"iam:passedtoservice": "sagemaker.amazonaws.com"}
            yield "iam:PassRole", role, {**context, **to_sagemaker}


def _parameters(request: Request) -> dict[str, Any]:
    """Of a request in JSON or of a form; a body in CBOR isn't read."""
    if "X-Amz-Target" in request.headers:
        try:
            return dict(parse_json(body_of(request) or b"{}"))
        except (TypeError, ValueError):
            return {}
    if request.path.startswith("/service/"):
        return {}
    return dict(urllib.parse.parse_qsl(body_of(request).decode(errors="replace")))


def _resource(call: Call, arn: str, parameters: Mapping[str, Any]) -> str | None:
    """The ARN of what a call is about; ``*`` if that is nothing in particular; None if
    it can't be told.
    """
    match call.service:
        case "sagemaker":
            return _sagemaker_resource(call, arn, parameters)
        case "iam" if "RoleName" in parameters:
            return _role_arn(parameters["RoleName"], parameters.get("Path"))
        case "iam" if "PolicyArn" in parameters:
            return str(parameters["PolicyArn"])
        case "sts" if "RoleArn" in parameters:
            return str(parameters["RoleArn"])
        case "ecr" if "repositoryName" in parameters:
            return f"{arn}:repository/{parameters['repositoryName']}"
        case "ecr" if "repositoryNames" in parameters:
            return f"{arn}:repository/{parameters['repositoryNames'][0]}"
        case "ecr" if "resourceArn" in parameters:
            return str(parameters["resourceArn"])
        case "logs" if "logGroupName" in parameters:
            stream = parameters.get("logStreamName", "*")
            group = parameters["logGroupName"]
            return f"{arn}:log-group:{group}:log-stream:{stream}"
        case "monitoring" | "kms" | "application-autoscaling" | "logs":
            return None
        case _:
            return "*"


def _sagemaker_resource(call: Call, arn: str, parameters: Mapping[str, Any]) -> str:
    for name in ("ResourceArn", "ModelPackageArn"):
        if name in parameters:
            return str(parameters[name])
    # The longest of the names that the operation's own name has.
    nouns = [
        name.removesuffix("Name")
        for name in parameters
        if name.endswith("Name") and name.removesuffix("Name") in call.operation
    ]
    if call.operation == "CreateModelPackage":
        name = parameters.get(
            "ModelPackageGroupName", parameters.get("ModelPackageName")
        )
        return f"{arn}:model-package/{str(name).rpartition('/')[2]}/*"
    if not nouns:
        return "*"
    noun = max(nouns, key=len)
    value = str(parameters[f"{noun}Name"])
    if value.startswith("arn:"):
        return value
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", noun).lower()
    return f"{arn}:{kind}/{value}"


def _role(name: str | None) -> Any:
    """moto's role of a name; None if there is none."""
    from moto.iam.models import iam_backends

    roles = iam_backends[ACCOUNT]["aws"].roles.values()
    return next((role for role in roles if role.name == name), None)


def _role_arn(name: str, path: str | None) -> str | None:
    """A role's ARN, which has its path; without one, that of a role that there isn't
    can't be told.
    """
    role = _role(name)
    if role is not None:
        return str(role.arn)
    return f"arn:aws:iam::{ACCOUNT}:role{path}{name}" if path else None


def _s3_action(request: Request) -> tuple[str, str]:
    """Action and resource of a request to S3."""
    from moto.s3.responses import ACTION_MAP

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


def _denied(call: Call, who: str, action: str, resource: str | None) -> RefusedError:
    message = (
        f"User: {who} is not authorized to perform: {action} on resource: "
        f"{resource or '*'} because no identity-based policy allows the {action} action"
    )
    if call.service in ("s3", "iam", "sts", "ec2", "monitoring"):
        return RefusedError("AccessDenied", message, 403)
    return RefusedError("AccessDeniedException", message, 400)


def _unknown_key(call: Call, request: Request) -> RefusedError:
    if call.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return RefusedError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    if "X-Amz-Target" in request.headers or call.service == "sagemaker":
        return RefusedError("UnrecognizedClientException", message)
    return RefusedError("InvalidClientTokenId", message, 403)
