from __future__ import annotations

from dataclasses import replace

from serve.model_memory import ModelMemory
from serve.served_model import ServedModel


def test_a_model_takes_memory_until_nobody_uses_it(served: ServedModel) -> None:
    memory = ModelMemory(100)
    memory.take(60)
    own = replace(served)
    memory.hold(own, 60)
    memory.take(60)
    assert memory.free == -20
    del own
    assert memory.free == 40


def test_a_model_that_could_not_be_read_takes_none() -> None:
    memory = ModelMemory(100)
    memory.take(60)
    memory.give_back(60)
    assert memory.free == 100
