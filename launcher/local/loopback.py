"""The variables that let programs reach the stack's ports past a proxy."""

from __future__ import annotations

from collections.abc import Mapping

from launcher.ports import LOOPBACK

# Programs read one or the other.
_VARIABLES = ("NO_PROXY", "no_proxy")
_EVERYWHERE = "*"


def no_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that let programs reach loopback past a proxy.

    What they say already stays in force.

    Example:
        >>> no_proxy({"no_proxy": "intra.net"})["NO_PROXY"]
        'intra.net,127.0.0.1,localhost'
    """
    given = ",".join(environment.get(variable, "") for variable in _VARIABLES)
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if _EVERYWHERE in hosts:
        hosts = [_EVERYWHERE]  # it means nothing beside others
    else:
        hosts += [LOOPBACK, "localhost"]
    value = ",".join(dict.fromkeys(hosts))
    return dict.fromkeys(_VARIABLES, value)
