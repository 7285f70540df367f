"""Streams of CloudWatch Logs."""

from __future__ import annotations

from launcher.local.log_stream import LogStream
from launcher.local.service_clients import ServiceClients
from launcher.local.settings import StackSettings

GROUP = "/tests/log-stream"


def messages(clients: ServiceClients, stream: str) -> list[str]:
    """All messages of a stream, page by page."""
    names = {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True}
    logs = clients.client("logs")
    found: list[str] = []
    page = logs.get_log_events(**names)
    while page["events"]:
        found += [event["message"] for event in page["events"]]
        page = logs.get_log_events(**names, nextToken=page["nextForwardToken"])
    return found


def test_a_closed_stream_has_sent_every_line_in_order(settings: StackSettings) -> None:
    clients = ServiceClients(settings)
    stream = LogStream(clients, GROUP, "ordered")
    # More than one batch.
    lines = [f"line {number}" for number in range(1500)]
    for line in lines:
        stream.write(line)
    stream.close()
    assert messages(clients, "ordered") == lines


def test_empty_lines_are_left_out_and_long_ones_are_cut(
    settings: StackSettings,
) -> None:
    clients = ServiceClients(settings)
    stream = LogStream(clients, GROUP, "odd")
    stream.write("")
    stream.write("  ")
    stream.write("x" * 200_000)
    stream.close()
    assert messages(clients, "odd") == ["x" * 100_000]


def test_a_stream_that_exists_is_continued(settings: StackSettings) -> None:
    clients = ServiceClients(settings)
    for line in ("first", "second"):
        stream = LogStream(clients, GROUP, "continued")
        stream.write(line)
        stream.close()
    assert messages(clients, "continued") == ["first", "second"]
