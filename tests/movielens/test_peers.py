from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from movielens.peers import ALONE, exchange_json
from tests.movielens.hosts import Host, make_hosts


def test_one_host_gets_its_own_value() -> None:
    assert len(ALONE) == 1
    assert exchange_json(ALONE, lambda: {"é": (1, None)}) == [{"é": [1, None]}]


def test_all_hosts_get_the_values_of_all_in_the_order_of_their_ranks() -> None:
    def exchange(host: Host) -> list[int]:
        return exchange_json(host, lambda: host.rank * 10)

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(exchange, make_hosts(3)))
    assert found == [[0, 10, 20]] * 3
