"""The hosts that ``resourceconfig.json`` names."""

from __future__ import annotations

from typing import Any

import pytest

from train.errors import JobError
from train.hosts import Hosts


def test_hosts_are_sorted_and_the_first_one_leads() -> None:
    hosts = Hosts.of(
        {"hosts": ["algo-3", "algo-1", "algo-2"], "current_host": "algo-2"}
    )
    assert hosts == Hosts(("algo-1", "algo-2", "algo-3"), "algo-2")
    assert len(hosts) == 3
    assert hosts.rank == 1
    assert not hosts.is_first
    assert Hosts(hosts.names, "algo-1").is_first


@pytest.mark.parametrize(
    "resources",
    [
        {"hosts": "algo-1", "current_host": "algo-1"},
        {"hosts": [1], "current_host": "algo-1"},
        {"hosts": None},
        {"hosts": ["algo-1"]},
        {},
    ],
)
def test_hosts_that_are_no_list_of_names_are_refused(
    resources: dict[str, Any],
) -> None:
    with pytest.raises(JobError, match="expected a list of names and a name"):
        Hosts.of(resources)


def test_a_current_host_that_is_not_among_them_is_refused() -> None:
    with pytest.raises(JobError, match="current_host algo-9, which is not among hosts"):
        Hosts.of({"current_host": "algo-9", "hosts": ["algo-1"]})
