"""The shape of an operation of AWS's JSON APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from launcher.local.errors import invalid

Parameters = Mapping[str, Any]
Result = dict[str, Any]
# None leaves the request to moto.
Operation = Callable[[Parameters], Result | None]

_FIRST_PAGE = "0"
_PAGE_SIZE = 100


def page(
    summaries: Sequence[Mapping[str, Any]], parameters: Parameters, member: str
) -> Result:
    """The part of a list that a request asks for, and the token for the next part.

    Args:
        summaries: the whole list.
        parameters: of the request.
        member: of the result, for the part.

    Raises:
        RefusedError: if ``NextToken`` isn't one that an earlier page gave.
    """
    token = parameters.get("NextToken", _FIRST_PAGE)
    is_short_number = token.isascii() and token.isdecimal() and len(token) < 10
    if not is_short_number:
        raise invalid("Invalid pagination token.")
    start = int(token)
    end = start + parameters.get("MaxResults", _PAGE_SIZE)
    result: Result = {member: list(summaries[start:end])}
    if end < len(summaries):
        result["NextToken"] = str(end)
    return result
