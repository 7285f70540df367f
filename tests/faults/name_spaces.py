"""Name spaces of Linux: file systems and networks that only some processes have.

Whoever makes one is root there, so that nobody has to be root to run the tests.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

_CLONE_NEWUSER = 0x10000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def leave_for_own(kind: int) -> None:
    """Move this process into a new name space of this kind."""
    ids = {"uid": os.getuid(), "gid": os.getgid()}
    _call("unshare", _CLONE_NEWUSER | kind)

    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    for name, number in ids.items():
        (own / f"{name}_map").write_text(f"0 {number} 1")


def enter(pid: int) -> None:
    """Move this process into the network of another one, and become root there."""
    for kind in ("user", "net"):
        with Path(f"/proc/{pid}/ns/{kind}").open() as file:
            _call("setns", file.fileno(), 0)


def mount(*args: str) -> None:
    """Run the command of this name."""
    subprocess.run(["mount", *args], check=True)


def connect_hosts() -> None:
    """Let the addresses 127.x.y.z of this network reach each other."""
    _set_loopback(_IFF_UP)


def lose_network() -> None:
    """From now on, whatever is sent is lost. Connections aren't told."""
    _set_loopback(0)


def _set_loopback(flags: int) -> None:
    request = struct.pack("16sH14x", b"lo", flags)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def _call(function: str, *args: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*args):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
