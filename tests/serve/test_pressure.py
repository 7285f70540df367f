from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from serve.pressure import ArrivedBytes, OpenConnections

TOTAL = 100


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Holder:
    """A client that does as it is told."""

    def __init__(self, give_way: Callable[[Holder], None], idle: bool = True) -> None:
        self._give_way = give_way
        self._idle = idle
        self.has_lost = False

    def lose_request(self) -> None:
        self.has_lost = True
        self._give_way(self)

    def lose_connection(self) -> None:
        self.has_lost = True
        self._give_way(self)

    def is_idle(self) -> bool:
        return self._idle


def test_what_was_held_most_for_the_longest_gives_way() -> None:
    clock = Clock()
    arrived = ArrivedBytes(TOTAL, clock)
    long, much, recent = (Holder(arrived.release) for _ in range(3))
    arrived.hold(long, 10)
    clock.now = 5
    arrived.hold(much, 60)
    clock.now = 9
    arrived.hold(recent, 30)
    clock.now = 10
    arrived.hold(recent, 31)  # 101 with the others
    assert [each.has_lost for each in (long, much, recent)] == [False, True, False]
    assert arrived.held == 41


def test_a_client_that_drips_is_not_young() -> None:
    clock = Clock()
    arrived = ArrivedBytes(TOTAL, clock)
    drips, comes = Holder(arrived.release), Holder(arrived.release)
    for seconds in range(50):
        clock.now = seconds
        arrived.hold(drips, 50 + seconds)
    arrived.hold(comes, 50)
    assert drips.has_lost
    assert not comes.has_lost


def test_complete_requests_do_not_give_way() -> None:
    arrived = ArrivedBytes(TOTAL, Clock())
    client, newcomer = Holder(arrived.release), Holder(arrived.release)
    bystander = Holder(arrived.release)
    arrived.hold_complete("request", 80, client)
    arrived.hold(bystander, 10)
    arrived.hold(newcomer, 21)
    assert newcomer.has_lost  # there can't be room for it, whoever else gave way
    assert not bystander.has_lost
    assert not client.has_lost

    arrived.hold_complete("another", 21, newcomer)
    assert arrived.held == 90
    arrived.release("request")
    arrived.hold_complete("another", 21, newcomer)
    assert arrived.held == 31


def test_a_complete_request_makes_incomplete_ones_give_way() -> None:
    arrived = ArrivedBytes(TOTAL, Clock())
    slow, client = Holder(arrived.release), Holder(arrived.release)
    arrived.hold(slow, 50)
    arrived.hold_complete("request", 60, client)
    assert slow.has_lost
    assert arrived.held == 60


def test_a_lone_client_may_not_hold_more_than_there_is() -> None:
    arrived = ArrivedBytes(TOTAL, Clock())
    client = Holder(arrived.release)
    arrived.hold(client, TOTAL)
    assert not client.has_lost
    arrived.hold(client, TOTAL + 1)
    assert client.has_lost
    assert arrived.held == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(0, 120), st.sampled_from(["part", "all", ""])
        )
    )
)
def test_no_more_is_ever_held(steps: list[tuple[int, int, str]]) -> None:
    arrived = ArrivedBytes(TOTAL, Clock())
    clients = [Holder(arrived.release) for _ in range(5)]
    for number, count, kind in steps:
        if kind == "part":
            arrived.hold(clients[number], count)
        elif kind == "all":
            arrived.release(number)
            arrived.hold_complete(number, count, clients[number])
        else:
            arrived.release(number)
            arrived.release(clients[number])
        assert 0 <= arrived.held <= TOTAL
    for number in range(5):
        arrived.release(number)
        arrived.release(clients[number])
    assert arrived.held == 0


def test_the_client_that_was_waited_for_longest_makes_room() -> None:
    connections = OpenConnections(2, Clock())
    first, second, third, fourth = (Holder(connections.closed) for _ in range(4))
    connections.opened(first)
    connections.opened(second)
    connections.works(first)
    connections.opened(third)
    assert second.has_lost
    connections.waits(first)
    connections.opened(fourth)
    assert third.has_lost
    assert not first.has_lost
    assert not fourth.has_lost


def test_a_newcomer_is_lost_if_all_others_are_being_answered() -> None:
    connections = OpenConnections(1, Clock())
    first, second = Holder(connections.closed), Holder(connections.closed)
    connections.opened(first)
    connections.works(first)
    connections.opened(second)
    assert second.has_lost
    assert not first.has_lost


def test_connections_that_are_idle_for_long_are_closed() -> None:
    clock = Clock()
    connections = OpenConnections(9, clock)
    idle, sends, recent = (
        Holder(connections.closed),
        Holder(connections.closed, idle=False),
        Holder(connections.closed),
    )
    connections.opened(sends)
    connections.opened(idle)
    clock.now = 10
    connections.opened(recent)
    clock.now = 12
    connections.close_idle(5)
    assert [each.has_lost for each in (idle, sends, recent)] == [True, False, False]
