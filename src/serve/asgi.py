"""The types of ASGI, the interface between the server and the application.

https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]
"""Values by name; names are in lower case."""

# What we put into a scope.
HEADERS = "halfstar.headers"
"""The headers by name."""
TALLY = "halfstar.tally"
"""What is counted of the request, if anything is."""


def headers_of(scope: Scope) -> Headers:
    """The headers of a request by name."""
    found: Headers | None = scope.get(HEADERS)
    return by_name(scope["headers"]) if found is None else found


def by_name(given: Sequence[Header]) -> Headers:
    """Headers by name; several with the same name are joined to a list.

    Example:
        >>> by_name([(b"accept", b"text/csv"), (b"accept", b"*/*")])
        {b'accept': b'text/csv,*/*'}
    """
    found = dict(given)
    if len(found) == len(given):
        return found
    joined: dict[bytes, bytes] = {}
    for name, value in given:
        joined[name] = joined[name] + b"," + value if name in joined else value
    return joined
