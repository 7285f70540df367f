from __future__ import annotations

from movielens.evaluation import StageCost
from train.stages import Meters, Stages


class Machine:
    """Whose meters are set by hand."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.processor_time = 0.0
        self.peak_bytes = 0

    def meters(self) -> Meters:
        return Meters(
            clock=lambda: self.clock,
            processor_time=lambda: self.processor_time,
            peak_bytes=lambda: self.peak_bytes,
        )

    def work(self, seconds: float, cores: float, mb: int) -> None:
        self.clock += seconds
        self.processor_time += seconds * cores
        self.peak_bytes = max(self.peak_bytes, mb * 1_000_000)


def test_a_stage_within_another_counts_for_itself() -> None:
    machine = Machine()
    stages = Stages(machine.meters())
    machine.work(100, 1, 1)  # before any stage
    with stages.stage("boosting"):
        machine.work(2, 1, 50)
        with stages.stage("features"):
            machine.work(4, 2, 300)
        machine.work(6, 1.5, 100)
    machine.work(100, 1, 1)
    assert stages.costs() == [
        StageCost("boosting", 8.0, 1.38, 300),
        StageCost("features", 4.0, 2.0, 300),
    ]


def test_a_stage_may_go_on_later() -> None:
    machine = Machine()
    stages = Stages(machine.meters())
    for _ in range(3):
        with stages.stage("features"):
            machine.work(1, 0.5, 10)
        machine.work(10, 1, 10)
    assert stages.costs() == [StageCost("features", 3.0, 0.5, 10)]


def test_costs_are_known_while_a_stage_goes_on() -> None:
    machine = Machine()
    stages = Stages(machine.meters())
    with stages.stage("fit"):
        machine.work(1, 1, 5)
        assert stages.costs() == [StageCost("fit", 1.0, 1.0, 5)]


def test_a_stage_that_fails_ends() -> None:
    machine = Machine()
    stages = Stages(machine.meters())
    try:
        with stages.stage("fit"):
            machine.work(1, 1, 5)
            raise LookupError
    except LookupError:
        machine.work(5, 1, 5)
    assert stages.costs() == [StageCost("fit", 1.0, 1.0, 5)]


def test_the_meters_are_those_of_this_process() -> None:
    stages = Stages()
    with stages.stage("sum"):
        sum(range(100_000))
    (cost,) = stages.costs()
    assert cost.peak_mb > 10
