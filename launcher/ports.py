"""TCP ports of this machine, and HTTP to them."""

from __future__ import annotations

import socket
import urllib.request

LOOPBACK = "127.0.0.1"

# Past any proxy that the environment names.
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
