from __future__ import annotations

from urllib.request import proxy_bypass

import pytest

from launcher.local.loopback import no_proxy
from launcher.ports import LOOPBACK


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"NO_PROXY": ""},
        {"NO_PROXY": "intra.net, 10.0.0.1"},
        {"no_proxy": "intra.net"},
        {"NO_PROXY": "*"},
        {"NO_PROXY": "intra.net", "no_proxy": "*"},
    ],
)
def test_loopback_is_reached_past_a_proxy(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = no_proxy(given)
    for variable, value in exported.items():
        for name in exported:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, value)
        for host in (f"{LOOPBACK}:5000", "localhost:5000"):
            assert proxy_bypass(host)


def test_what_is_set_stays_in_force() -> None:
    given = {"NO_PROXY": "intra.net, 10.0.0.1", "no_proxy": "intra.net,.corp"}
    value = "intra.net,.corp,10.0.0.1,127.0.0.1,localhost"
    hosts = set(value.split(","))
    for variable in ("NO_PROXY", "no_proxy"):
        assert set(no_proxy(given)[variable].split(",")) == hosts


def test_exporting_again_changes_nothing() -> None:
    once = no_proxy({"no_proxy": "intra.net"})
    assert no_proxy(once) == once


def test_a_star_stays_alone() -> None:
    assert no_proxy({"NO_PROXY": "*"})["no_proxy"] == "*"
