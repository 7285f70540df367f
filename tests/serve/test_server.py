from __future__ import annotations

import pytest

from serve.server import bind


def test_sockets_share_a_port_with_each_other_alone() -> None:
    (alone,) = bind(0)
    port = alone.getsockname()[1]
    alone.listen()
    with alone, pytest.raises(OSError, match="in use"):
        bind(port, 2)
    shared = bind(port, 3)
    assert {each.getsockname()[1] for each in shared} == {port}
    for each in shared:
        each.close()
