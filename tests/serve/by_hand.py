"""HTTP as bytes, for requests that no client library would send."""

from __future__ import annotations

import socket

Address = tuple[str, int]


def head(*lines: str, target: str = "POST /invocations HTTP/1.1") -> bytes:
    """A request's first line and headers."""
    return "\r\n".join([target, "host: test", *lines, "", ""]).encode()


def exchange(address: Address, request: bytes, then_close: bool = False) -> bytes:
    """Send a request and return all that the server says until it hangs up.

    The request must make it hang up, or ``then_close`` says that we stop sending.
    """
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(request)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def send_for_ever(connection: socket.socket, part: bytes = b"x" * 65536) -> None:
    """Send until the server cuts the connection, which raises `ConnectionError`."""
    while True:
        connection.sendall(part)
