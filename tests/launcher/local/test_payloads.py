"""How objects are split into request bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.local.errors import FailureReasonError
from launcher.local.transform import PayloadSplitter

LINES = st.lists(st.from_regex(rb"[^\r\n]{0,8}\n", fullmatch=True))


@given(LINES, st.booleans(), st.integers(9, 40))
def test_splitting_loses_nothing_and_keeps_the_limit(
    lines: list[bytes], many_lines: bool, max_bytes: int
) -> None:
    data = b"".join(lines)
    splitter = PayloadSplitter(True, many_lines, max_bytes)
    bodies = list(splitter.split(data))
    assert b"".join(bodies) == data
    assert all(len(body) <= max_bytes for body in bodies)
    assert all(body.endswith(b"\n") for body in bodies)
    if not many_lines:
        assert bodies == lines


@pytest.mark.parametrize("by_line", [True, False])
def test_what_is_longer_than_the_limit_fails(by_line: bool) -> None:
    splitter = PayloadSplitter(by_line, many_lines=True, max_bytes=5)
    with pytest.raises(FailureReasonError, match="larger than MaxPayloadInMB"):
        list(splitter.split(b"123456"))


def test_without_a_limit_an_object_stays_whole() -> None:
    splitter = PayloadSplitter(by_line=False, many_lines=True, max_bytes=0)
    assert list(splitter.split(b"123456\n7")) == [b"123456\n7"]


def test_an_empty_object_is_one_empty_request_unless_it_is_split() -> None:
    whole = PayloadSplitter(by_line=False, many_lines=True, max_bytes=5)
    assert list(whole.split(b"")) == [b""]
    by_line = PayloadSplitter(by_line=True, many_lines=True, max_bytes=5)
    assert list(by_line.split(b"")) == []


def test_a_cr_alone_ends_no_line() -> None:
    splitter = PayloadSplitter(by_line=True, many_lines=False, max_bytes=0)
    assert list(splitter.split(b"1,2\r3,4\r\n5,6")) == [b"1,2\r3,4\r\n", b"5,6"]
