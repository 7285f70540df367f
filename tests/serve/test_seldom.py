from __future__ import annotations

from serve.seldom import Seldom


def test_what_was_kept_back_is_counted_in_the_next_line() -> None:
    now = 0.0
    seldom = Seldom(10.0, lambda: now)
    counts = []
    for tenths in range(250):
        now = tenths / 10
        counts.append(seldom.count())
    assert [count for count in counts if count] == [1, 100, 100]
