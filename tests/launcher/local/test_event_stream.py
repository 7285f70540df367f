"""Messages of an event stream, as botocore reads them."""

from __future__ import annotations

from botocore.eventstream import EventStreamBuffer

from launcher.local.event_stream import event


def test_botocore_reads_what_is_written() -> None:
    buffer = EventStreamBuffer()
    parts = [b"1,2\n", b"", bytes(70_000)]
    buffer.add_data(b"".join(event("PayloadPart", part) for part in parts))
    messages = [message.to_response_dict() for message in buffer]
    assert [message["body"] for message in messages] == parts
    assert messages[0]["headers"] == {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
