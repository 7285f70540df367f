from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from movielens.peers import ALONE
from movielens.table_exchange import exchange_tables, pack, unpack
from movielens.tables import RatingTable
from tests.movielens.hosts import Host, make_hosts
from tests.movielens.samples import rows


def one_rating(user_id: int, timestamp: int | None = 5) -> RatingTable:
    one = np.array([1])
    times = None if timestamp is None else np.array([timestamp])
    return RatingTable.of(np.array([user_id]), one, np.array([4.5]), times)


def test_packed_tables_come_back() -> None:
    tables = {"training/é.csv": one_rating(1), "a": one_rating(2, timestamp=None)}
    found = unpack(pack(tables))
    assert list(found) == list(tables)
    for name, table in tables.items():
        assert rows(found[name]) == rows(table)
    assert unpack(pack({})) == {}


def test_one_host_gets_its_own_tables_by_name() -> None:
    tables = exchange_tables(ALONE, lambda: {"b": one_rating(1), "a": one_rating(2)})
    assert [name for name, _ in tables] == ["a", "b"]


def test_all_hosts_get_all_tables_by_name_and_then_by_rank() -> None:
    own_tables = [
        {"b": one_rating(1), "a": one_rating(2)},
        {"c": one_rating(3), "a": one_rating(4)},
    ]

    def exchange(host: Host) -> list[tuple[str, int]]:
        tables = exchange_tables(host, lambda: own_tables[host.rank])
        return [(name, int(table.user_id[0])) for name, table in tables]

    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(exchange, make_hosts(2)):
            assert found == [("a", 2), ("a", 4), ("b", 1), ("c", 3)]
