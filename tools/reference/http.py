"""The page of the HTTP API, made from the OpenAPI documents."""

from __future__ import annotations

import json
from typing import Any

from serve.formats.registry import FORMATS
from tools.reference.markdown import block, code, page, table
from tools.reference.openapi import (
    ANYWHERE,
    EXAMPLES,
    MODEL_SCHEMAS,
    SCHEMAS,
    multi_model,
    single_model,
)

SINGLE_FILE = "openapi.json"
MULTI_FILE = "openapi-multi-model.json"

# The statuses of any request.
COMMON = [str(status) for status in ANYWHERE]

# Beyond this, digits say less than the number of bits.
_LONG = 2**53

_INTRODUCTION = f"""\
Two documents describe the HTTP API in the form of OpenAPI 3.1:

- [`{SINGLE_FILE}`]({SINGLE_FILE}): a server of one model;
- [`{MULTI_FILE}`]({MULTI_FILE}): a server that loads models by request.

Any tool for OpenAPI reads them. `make test-http` sends requests made from them to the
image, and checks that it answers as they say. [Serving](../serving.md) explains what
the fields mean together, and how bodies in CSV look."""

_STATUSES = f"""\
Any request may also get one of {", ".join(COMMON)}, because of its form or the state of
the server. [Errors](errors.md#http) says what each status means."""

_SCHEMAS = """\
What isn't required may be left out. A request with other fields is refused; only
ModelToLoad may have more."""


def http_page() -> str:
    """Paths, media types, fields and statuses."""
    media_types = []
    for each in FORMATS.formats:
        first, *others = each.media_types
        media_types.append((code(first), ", ".join(map(code, others))))
    examples = []
    for example in EXAMPLES.values():
        text = json.dumps(example["value"])
        examples += [f"{example['summary'].capitalize()}:", block(text, "json")]
    fields = []
    for name, schema in (SCHEMAS | MODEL_SCHEMAS).items():
        if "properties" in schema:
            fields += [f"### {name}", *_fields(schema)]
    return page(
        "HTTP",
        _INTRODUCTION,
        "## One model",
        _operations(single_model()),
        "## Many models",
        _operations(multi_model()),
        _STATUSES,
        "## Media types",
        table(("media type", "other names"), media_types),
        "## Examples",
        *examples,
        "## Fields",
        _SCHEMAS,
        *fields,
    )


def _operations(document: dict[str, Any]) -> str:
    rows = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                own = [each for each in operation["responses"] if each not in COMMON]
                statuses = ", ".join(own)
                name = code(f"{method.upper()} {path}")
                rows.append((name, operation["summary"], statuses))
    return table(("request", "does", "statuses"), rows)


def _fields(schema: dict[str, Any]) -> list[str]:
    required = schema["required"]
    rows = []
    for name, field in schema["properties"].items():
        is_required = "yes" if name in required else ""
        meaning = field.get("description", "")
        rows.append((code(name), _kind(field), is_required, meaning))
    description = schema["description"]
    return [
        f"{description[0].upper()}{description[1:]}.",
        table(("field", "value", "required", "meaning"), rows),
    ]


def _kind(field: dict[str, Any]) -> str:
    """What values a field takes, in words."""
    match field:
        case {"$ref": reference}:
            return str(reference).rpartition("/")[2]
        case {"anyOf": kinds}:
            return " or ".join(map(_kind, kinds))
        case {"enum": values}:
            return " or ".join(map(code, values))
        case {"type": "array", "items": item}:
            return f"list of: {_kind(item)}"
        case {"type": "integer" | "number" as kind}:
            return _range(str(kind), field)
        case {"type": "string", "format": form}:
            return f"string ({form})"
        case _:
            return str(field.get("type", "anything"))


def _range(kind: str, field: dict[str, Any]) -> str:
    """The bounds of a number, in words."""
    low = field.get("minimum")
    high = field.get("maximum")
    bound = field.get("exclusiveMaximum")
    if bound is not None:
        return f"{kind}, {low:g} to below {bound:.0f}"
    if high is not None and high > _LONG:
        return f"{kind} of 64 bits"
    if high is not None:
        return f"{kind}, {low:g} to {high:.10g}"
    return kind if low is None else f"{kind} from {low:g}"
