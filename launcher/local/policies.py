"""Decides by IAM's policies: an explicit deny counts before any allow, and what nobody
allows is denied.

Of conditions, those on strings, ARNs and booleans are understood. A statement with any
other condition doesn't apply.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy
from moto.iam.models import Role, iam_backends
from moto.iam.responses import IamResponse

from launcher.local.moto_tables import as_list, find_role
from launcher.local.settings import ACCOUNT


@dataclass(frozen=True, slots=True)
class Need:
    """What a call needs.

    Attributes:
        action: such as ``sagemaker:CreateModel``.
        resource: an ARN, or None if that can't be told, and any will do.
        context: what is known of the call, by the lower-case name of a condition's
            key: a text, or some.
    """

    action: str
    resource: str | None
    context: Mapping[str, Any]


def allows(policies: Iterable[Any], need: Need) -> bool:
    """Whether policies, as moto has them, allow what a call needs."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in as_list(IAMPolicy(policy)._policy_json["Statement"])
        if _applies(statement, need)
    }
    return effects == {"Allow"}


def role_allows(role: Role, need: Need) -> bool:
    """Whether a role's policies allow it, within its permissions boundary."""
    layers = [[*role.policies.values(), *role.managed_policies.values()]]
    if role.permissions_boundary_arn:
        iam = iam_backends[ACCOUNT]["aws"]
        layers.append([iam.get_policy(role.permissions_boundary_arn)])
    return all(allows(policies, need) for policies in layers)


def offer_simulation() -> None:
    """Let moto's IAM answer SimulatePrincipalPolicy, which it lacks, for roles. Version
    3 of SageMaker's SDK asks it.
    """

    def simulate_principal_policy(response: IamResponse) -> Any:
        role = find_role(response._get_param("PolicySourceArn"))
        results = []
        for action in response._get_param("ActionNames", []):
            for resource in response._get_param("ResourceArns", ["*"]):
                need = Need(action, resource, {})
                is_allowed = role is not None and role_allows(role, need)
                result = {
                    "EvalActionName": action,
                    "EvalResourceName": resource,
                    "EvalDecision": "allowed" if is_allowed else "implicitDeny",
                }
                results.append(result)
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})

    IamResponse.simulate_principal_policy = (  # type: ignore[attr-defined]
        simulate_principal_policy
    )


def _applies(statement: Mapping[str, Any], need: Need) -> bool:
    resource = need.resource
    is_its_resource = resource is None or _concerns(statement, "Resource", resource)
    is_its_action = _concerns(statement, "Action", need.action.lower())
    return is_its_action and is_its_resource and _holds(statement, need.context)


def _concerns(statement: Mapping[str, Any], member: str, text: str) -> bool:
    if f"Not{member}" in statement:
        return not _matches_any(statement[f"Not{member}"], text)
    return _matches_any(statement[member], text)


def _matches_any(patterns: Any, text: str) -> bool:
    return any(_matches(pattern, text) for pattern in as_list(patterns))


def _matches(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern with ``*`` and ``?``; actions have no case."""
    if not text.startswith("arn:"):
        pattern = pattern.lower()
        text = text.lower()
    # A bracket stands for itself, as it doesn't in names of files.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _is_same_word(expected: str, given: str) -> bool:
    return expected.lower() == given.lower()


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": _is_same_word,
    "StringLike": _matches,
    "ArnEquals": _matches,
    "ArnLike": _matches,
    "Bool": _is_same_word,
}


def _holds(statement: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether all conditions of a statement hold."""
    for name, tests in statement.get("Condition", {}).items():
        plain = name.removesuffix("IfExists").removeprefix("ForAnyValue:")
        affirmed = plain.replace("Not", "", 1)
        compare = _OPERATORS.get(affirmed)
        if compare is None:
            return False
        for key, values in tests.items():
            given = context.get(key.lower())
            if given is None:
                # A negated condition holds for what isn't there.
                if plain == affirmed and not name.endswith("IfExists"):
                    return False
                continue
            is_equal = any(
                compare(str(expected), each)
                for expected in as_list(values)
                for each in as_list(given)
            )
            if is_equal is (plain != affirmed):
                return False
    return True
