"""What is offered: the services, operations of some of them, and the members of their
requests that are honoured.

Whatever isn't offered is refused by its name, so nothing succeeds without having
happened. A member that asks for nothing, such as ``false``, may be anywhere.

``offered.txt`` lists operations by the name that their service signs with, and below
each the members of its request. ``A.B: C D`` are the members C and D of B, which is in
A; with ``C=x|y``, only the values x and y are honoured. All that is inside a listed
member is honoured too. ``@list`` stands for what all lists are filtered and sorted by.
Patterns after a service's name are of operations that moto answers, whatever members
their requests have.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from launcher.errors import InvalidRequestError
from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Parameters
from launcher.requests import Request
from launcher.validate import validate

# The services whose requests are checked: botocore's name, by the name that they are
# signed for.
MODELS = {
    "application-autoscaling": "application-autoscaling",
    "ecr": "ecr",
    "monitoring": "cloudwatch",
    "sagemaker": "sagemaker",
    "servicequotas": "service-quotas",
}
_LIST = Path(__file__).with_suffix(".txt")
# The honoured values of each member by its path; an empty set is any value.
Members = Mapping[str, frozenset[str]]


@functools.cache
def operations() -> Mapping[tuple[str, str], Members]:
    """The members of each operation, by its service and name."""
    found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    service = ""
    for line in _LIST.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            service = line[1:].partition("]")[0]
            continue
        if not line.startswith(" "):
            members = found.setdefault((service, line), {})
            continue
        place, colon, names = line.rpartition(": ")
        prefix = f"{place.strip()}." if colon else ""
        for entry in names.split():
            if (service, entry) in found:
                members.update(found[service, entry])
                continue
            name, _, values = entry.partition("=")
            members[prefix + name] = frozenset(values.split("|") if values else ())
    return {key: members for key, members in found.items() if key[1][0] != "@"}


@functools.cache
def _patterns() -> Mapping[str, list[str]]:
    """The patterns of each service."""
    headings = re.findall(r"^\[(.+?)\](.*)", _LIST.read_text(), re.MULTILINE)
    return {service: patterns.split() for service, patterns in headings}


def check_service(service: str, operation: str) -> None:
    """Return if an operation is ours, or moto's to answer.

    Args:
        service: the name that the request is signed for.
        operation: its name; empty if the service's requests don't have one.

    Raises:
        RefusedError: if it is neither.
    """
    is_listed = (service, operation) in operations()
    patterns = _patterns().get(service, [])
    if not is_listed and not any(fnmatchcase(operation, each) for each in patterns):
        name = f"{service} {operation}".strip()
        raise RefusedError(
            "UnknownOperationException", f"`launcher local` doesn't offer {name}"
        )


def check_request(service: str, operation: str, parameters: Parameters) -> None:
    """Return if the service model allows a request, and all its members are honoured.

    Args:
        service: the name that the request is signed for; one of `MODELS`.
        operation: its name.
        parameters: of the request.

    Raises:
        RefusedError: if that isn't so.
    """
    try:
        validate(Request(MODELS[service], operation, parameters))
    except InvalidRequestError as error:
        raise invalid(f"validation error detected: {error}") from error
    check_members(service, operation, parameters)


def check_members(service: str, operation: str, parameters: Parameters) -> None:
    """Return if all members of a request are honoured, or its operation isn't listed.

    Raises:
        RefusedError: names all that aren't.
    """
    members = operations().get((service, operation))
    if members is None:
        return
    faults = list(_faults("", parameters, members))
    if faults:
        raise invalid(f"`launcher local` doesn't offer {operation} {', '.join(faults)}")


def _faults(path: str, value: Any, members: Members) -> Iterator[str]:
    if path in members:
        honoured = members[path]
        if honoured and value not in honoured:
            yield f"with {path} {value}, only {' and '.join(sorted(honoured))}"
    elif isinstance(value, list):
        for item in value:
            yield from _faults(path, item, members)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _faults(f"{path}.{name}" if path else name, item, members)
    elif value:
        yield f"with {path}"
