"""What fuzzing found before, the seeds, and some mutations of them, without atheris."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.table import TARGETS
from tests.fuzz.target import FOUND, Target

_MUTATIONS = 40
_MOST_EDITS = 4

EVERY_TARGET = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@EVERY_TARGET
def test_seeds_are_read_as_they_should(target: Target) -> None:
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        target.check(seed)


@pytest.mark.parametrize(
    ("target", "data"),
    [
        pytest.param(target, data, id=f"{target.name}-{name}")
        for target in TARGETS.values()
        for name, data in target.found()
    ],
)
def test_what_was_found_is_mended(target: Target, data: bytes) -> None:
    target.check(data)


@EVERY_TARGET
def test_mutations_are_read_as_they_should(target: Target) -> None:
    chance = random.Random(18)
    seeds = list(target.seeds())
    for _ in range(_MUTATIONS):
        target.check(mutated(chance, seeds, target))


def mutated(chance: random.Random, seeds: list[bytes], target: Target) -> bytes:
    """A seed with some edits, such as libFuzzer makes them."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, _MOST_EDITS)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.randint(0, 8))
        match chance.randrange(4):
            case 0:
                del data[start:end]
            case 1:
                data[start:end] = chance.randbytes(end - start)
            case 2:
                data[start:start] = chance.choice([*target.words, b"\0", b"\xff"])
            case _:
                data[start:start] = data[start:end]
    return bytes(data[: target.most_bytes])


def test_every_target_says_what_has_to_hold() -> None:
    for target in TARGETS.values():
        assert target.oracle.endswith(".")


def test_what_was_found_belongs_to_a_target() -> None:
    names = {path.name for path in FOUND.iterdir()}
    assert names <= set(TARGETS)
