"""Checks a request against botocore's service model before it is sent.

botocore enforces types, required members and little else; the model also states
lengths, patterns and enumerations, which a service answers with an error only after the
round trip, or after minutes in a job. A pattern must match the whole value, as the
services read it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.errors import InvalidRequestError
from launcher.requests import Action, Call, Request, Wait

# Java's classes in Python's words; inside brackets `\w` stands for letters and marks,
# `\W` for signs.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{M}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{P}": r"\W",
    r"\p{S}": r"\W",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"\p{Print}": r"\x20-\x7e",
    r"\z": r"\Z",
    r"[\w-_]": r"[\w_-]",
}


def validate_plan(plan: Sequence[Action]) -> None:
    """Return when the service model allows every request of a plan, so that none stops
    half-way over a later one.

    Raises:
        InvalidRequestError: naming every fault of the first request that has any.
    """
    for action in plan:
        if isinstance(action, Call | Wait):
            validate(action.request)
        if isinstance(action, Wait):
            validate_plan(action.otherwise)


def validate(request: Request) -> None:
    """Return when the service model allows the request.

    Raises:
        InvalidRequestError: naming every member that it doesn't allow, with its value
            and the rule.
    """
    model = _service_model(request.service)
    shape = model.operation_model(request.operation).input_shape
    faults = list(_faults(shape, request.parameters, "")) if shape else []
    if faults:
        raise InvalidRequestError(
            f"{request.service} {request.operation}: " + "; ".join(faults)
        )


@functools.cache
def _service_model(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def _faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from _structure_faults(shape, value, place)
        case "list":
            if not isinstance(value, list | tuple):
                yield f"{place} is {value!r}, expected a list"
                return
            yield from _range_faults(shape, len(value), place, "entries")
            for i, item in enumerate(value):
                yield from _faults(shape.member, item, f"{place}[{i}]")
        case "map":
            if not isinstance(value, Mapping):
                yield f"{place} is {value!r}, expected an object"
                return
            yield from _range_faults(shape, len(value), place, "entries")
            for key, item in value.items():
                yield from _faults(shape.key, key, f"a name in {place}")
                yield from _faults(shape.value, item, f"{place}.{key}")
        case "string":
            yield from _string_faults(shape, value, place)
        case "integer" | "long" | "float" | "double":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{place} is {value!r}, expected a number"
                return
            yield from _range_faults(shape, value, place, "")
        case "boolean":
            if not isinstance(value, bool):
                yield f"{place} is {value!r}, expected true or false"
        case "blob":
            if not isinstance(value, bytes | str | Path):
                yield f"{place} is a {type(value).__name__}, expected bytes"


def _structure_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place} is {value!r}, expected an object"
        return
    prefix = f"{place}." if place else ""
    for name in shape.required_members:
        if name not in value:
            yield f"{prefix}{name} is missing"
    if shape.metadata.get("union") and len(value) != 1:
        yield f"{place} has {len(value)} members, expected exactly one of {', '.join(shape.members)}"
    for name, item in value.items():
        if name in shape.members:
            yield from _faults(shape.members[name], item, prefix + name)
        else:
            yield f"{prefix}{name} is unknown"


def _string_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{place} is {value!r}, expected text"
        return
    yield from _range_faults(shape, len(value), place, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{place} is {value!r}, expected one of {_some(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    if pattern and (compiled := _compiled(pattern)) and not compiled.fullmatch(value):
        yield f"{place} is {value!r}, which doesn't match {pattern}"


def _range_faults(shape: Any, measure: float, place: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and measure < low) or (high is not None and measure > high):
        allowed = (
            f"at least {low}"
            if high is None
            else f"at most {high}"
            if low is None
            else f"{low} to {high}"
        )
        yield f"{place} {'has' if unit else 'is'} {measure}{' ' * bool(unit)}{unit}, allowed are {allowed}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern in Python's dialect, or None for the few that have no meaning there
    (their own typing errors).
    """
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _some(values: list[str], at_most: int = 12) -> str:
    shown = ", ".join(values[:at_most])
    return (
        shown if len(values) <= at_most else f"{shown} and {len(values) - at_most} more"
    )
