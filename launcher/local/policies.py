"""Decides by IAM's policies: an explicit deny counts before any allow, and what nobody
allows is denied.

Of conditions, those on strings, ARNs and booleans are understood. A statement with any
other condition doesn't apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from launcher.local.service_clients import as_list
from launcher.local.settings import ACCOUNT

ALLOWED = "allowed"
_EXPLICIT = "explicitDeny"
_IMPLICIT = "implicitDeny"
# What is known of a call, by the lower-case name of a condition's key: a text, or some.
Context = Mapping[str, Any]


def decide(
    policies: Iterable[Any], action: str, resource: str | None, context: Context
) -> str:
    """``allowed``, ``explicitDeny`` or ``implicitDeny``.

    Args:
        policies: as moto has them.
        action: such as ``sagemaker:CreateModel``.
        resource: an ARN, or None if that can't be told, and any will do.
        context: of the call.
    """
    effects = set()
    for policy in policies:
        document = IAMPolicy(policy)._policy_json
        for statement in as_list(document["Statement"]):
            if _applies(statement, action, resource, context):
                effects.add(statement["Effect"])
    if "Deny" in effects:
        return _EXPLICIT
    return ALLOWED if "Allow" in effects else _IMPLICIT


def decide_for_role(
    arn: str, action: str, resource: str | None, context: Context
) -> str:
    """The same for a role, within its permissions boundary."""
    iam = iam_backends[ACCOUNT]["aws"]
    role = iam.get_role(arn.rpartition("/")[2])
    policies = [*role.policies.values(), *role.managed_policies.values()]
    decision = decide(policies, action, resource, context)
    if decision == ALLOWED and role.permissions_boundary_arn:
        boundary = iam.get_policy(role.permissions_boundary_arn)
        decision = decide([boundary], action, resource, context)
    return decision


def offer_simulation() -> None:
    """Let moto's IAM answer SimulatePrincipalPolicy, which it lacks, for roles."""

    def simulate_principal_policy(response: IamResponse) -> Any:
        from moto.core.responses import ActionResult

        arn = response._get_param("PolicySourceArn")
        resources = response._get_param("ResourceArns", ["*"])
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decide_for_role(arn, action, resource, {}),
            }
            for action in response._get_param("ActionNames", [])
            for resource in resources
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    IamResponse.simulate_principal_policy = (  # type: ignore[attr-defined]
        simulate_principal_policy
    )


def _applies(
    statement: Mapping[str, Any], action: str, resource: str | None, context: Context
) -> bool:
    if "NotAction" in statement:
        is_concerned = not _matches_any(statement["NotAction"], action.lower())
    else:
        is_concerned = _matches_any(statement["Action"], action.lower())
    if resource is None:
        is_its_resource = True
    elif "NotResource" in statement:
        is_its_resource = not _matches_any(statement["NotResource"], resource)
    else:
        is_its_resource = _matches_any(statement["Resource"], resource)
    return is_concerned and is_its_resource and _holds(statement, context)


def _matches_any(patterns: Any, text: str) -> bool:
    return any(_matches(pattern, text) for pattern in as_list(patterns))


def _matches(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern with ``*`` and ``?``; actions have no case."""
    parts = re.split(r"([*?])", pattern)
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(part, re.escape(part)) for part in parts)
    is_action = not text.startswith("arn:")
    flags = re.IGNORECASE if is_action else 0
    return re.fullmatch(expression, text, flags) is not None


def _equals(expected: str, given: str) -> bool:
    return expected == given


def _is_same_word(expected: str, given: str) -> bool:
    return expected.lower() == given.lower()


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _is_same_word,
    "StringLike": _matches,
    "ArnEquals": _matches,
    "ArnLike": _matches,
    "Bool": _is_same_word,
}


def _holds(statement: Mapping[str, Any], context: Context) -> bool:
    """Whether all conditions of a statement hold."""
    for operator, tests in statement.get("Condition", {}).items():
        name = operator.removesuffix("IfExists").removeprefix("ForAnyValue:")
        negated = name.replace("Not", "", 1)
        compare = _OPERATORS.get(negated)
        if compare is None:
            return False
        for key, values in tests.items():
            given = context.get(key.lower())
            if given is None:
                # A negated condition holds for what isn't there.
                if name == negated and not operator.endswith("IfExists"):
                    return False
                continue
            is_equal = any(
                compare(str(expected), each)
                for expected in as_list(values)
                for each in as_list(given)
            )
            if is_equal is (name != negated):
                return False
    return True
