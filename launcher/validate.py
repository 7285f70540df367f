"""Checks a request against botocore's service model before it is sent.

botocore itself checks types, required members and little else. Its model also knows
lengths, patterns and enumerations. A service would report an error about these only
after the round trip, or after minutes in a job.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.errors import InvalidRequestError
from launcher.requests import Action, AnswerOf, Call, Request, Wait

# The models' patterns are Java's. These are Java's character classes in Python's words.
# Inside brackets `\w` is used for letters and marks, and `\W` for signs.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{M}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{P}": r"\W",
    r"\p{S}": r"\W",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{ASCII}": r"[\x00-\x7f]",
    # Outside of brackets.
    r"\p{Print}+": r"[\x20-\x7e]+",
    r"\p{Print}": r"\x20-\x7e",
    r"\z": r"\Z",
    r"[\w-_]": r"[\w_-]",
}


def validate_plan(plan: Sequence[Action]) -> None:
    """Check every request of a plan, so that a plan never stops half-way over a
    malformed request.

    Raises:
        InvalidRequestError: names every fault of the first request that has any.
    """
    for action in plan:
        if isinstance(action, Call | Wait):
            validate(action.request)
        if isinstance(action, Wait):
            validate_plan(action.fallback)


def validate(request: Request) -> None:
    """Check that the service model allows a request.

    Raises:
        InvalidRequestError: names every member that it doesn't allow, with its value
            and the rule.
    """
    model = _service_model(request.service)
    shape = model.operation_model(request.operation).input_shape
    faults = list(_faults(shape, request.parameters, "")) if shape else []
    if faults:
        call = f"{request.service} {request.operation}"
        raise InvalidRequestError(f"{call}: {'; '.join(faults)}")


@functools.cache
def _service_model(service: str) -> Any:
    # Not from a session: that would read the user's profile, which may not exist.
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = Loader().load_service_model(service, "service-2")
    return ServiceModel(model, service_name=service)


def _faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    """What is wrong with a value, by the shape that the model gives it.

    ``place`` is where the value is in the request, such as ``Tags[0].Key``.
    """
    if isinstance(value, AnswerOf):  # the service's own
        return
    match shape.type_name:
        case "structure":
            yield from _structure_faults(shape, value, place)
        case "list":
            yield from _list_faults(shape, value, place)
        case "map":
            yield from _map_faults(shape, value, place)
        case "string":
            yield from _string_faults(shape, value, place)
        case "integer" | "long" | "float" | "double":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{place} is {value!r}, expected a number"
            elif allowed := _broken_range(shape, value):
                yield f"{place} is {value}, allowed are {allowed}"
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
        choices = ", ".join(shape.members)
        yield f"{place} has {len(value)} members, expected exactly one of {choices}"
    for name, item in value.items():
        if name in shape.members:
            yield from _faults(shape.members[name], item, prefix + name)
        else:
            yield f"{prefix}{name} is unknown"


def _list_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield f"{place} is {value!r}, expected a list"
        return
    if allowed := _broken_range(shape, len(value)):
        yield f"{place} has {len(value)} entries, allowed are {allowed}"
    for index, item in enumerate(value):
        yield from _faults(shape.member, item, f"{place}[{index}]")


def _map_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place} is {value!r}, expected an object"
        return
    if allowed := _broken_range(shape, len(value)):
        yield f"{place} has {len(value)} entries, allowed are {allowed}"
    for key, item in value.items():
        yield from _faults(shape.key, key, f"a name in {place}")
        yield from _faults(shape.value, item, f"{place}.{key}")


def _string_faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{place} is {value!r}, expected text"
        return
    if allowed := _broken_range(shape, len(value)):
        yield f"{place} has {len(value)} characters, allowed are {allowed}"
    if shape.enum and value not in shape.enum:
        yield f"{place} is {value!r}, expected one of {_some_of(shape.enum, value)}"
    pattern = shape.metadata.get("pattern")
    compiled = compile_pattern(pattern) if pattern else None
    # The services match the whole value.
    if compiled is not None and not compiled.fullmatch(value):
        yield f"{place} is {value!r}, which doesn't match {pattern}"


def _broken_range(shape: Any, measure: float) -> str:
    """The allowed range in words if ``measure`` is outside of it, else empty."""
    low = shape.metadata.get("min")
    high = shape.metadata.get("max")
    too_low = low is not None and measure < low
    too_high = high is not None and measure > high
    if not too_low and not too_high:
        return ""
    if high is None:
        return f"at least {low}"
    if low is None:
        return f"at most {high}"
    return f"{low} to {high}"


@functools.cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """A pattern of the service models, compiled.

    None for the few that Python can't compile: they are malformed in the models.
    """
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _some_of(values: list[str], given: str, at_most: int = 12) -> str:
    """Values in words; of many only those that are spelled like the given one, or the
    first.
    """
    shown = values
    if len(values) > at_most:
        shown = difflib.get_close_matches(given, values) or values[:at_most]
    listed = ", ".join(shown)
    more = len(values) - len(shown)
    return f"{listed} and {more} more" if more else listed
