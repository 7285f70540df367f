"""What can be said of a server at a moment: its counts, its memory, its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

from movielens.artifact import BOOSTER, FEATURES
from movielens.machine import memory_bytes, resident_bytes, used_memory_bytes
from movielens.manifest import Manifest
from serve.operations.counters import Board, Totals

# Enough to tell models apart, and short enough to read out.
_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a server.

    Attributes:
        totals: what its workers have counted.
        model: names and values that say which model it serves; empty if it has many.
        resident: bytes of memory of each process, with what it shares, by a name.
        memory: bytes of memory that the container uses.
        memory_limit: bytes that it may use.
    """

    totals: Totals
    model: Mapping[str, str]
    resident: Mapping[str, int]
    memory: int
    memory_limit: int


class Reporter:
    """Makes reports, in process 1 or in one that process 1 has forked.

    Args:
        board: where the workers count.
        model: as in `Report`.
    """

    def __init__(self, board: Board, model: Mapping[str, str]) -> None:
        self._board = board
        self._model = model
        self._process_1 = os.getpid()

    def now(self) -> Report:
        """What was counted since the start of the server."""
        pids = {"supervisor": self._process_1}
        for worker, pid in enumerate(self._board.pids()):
            pids[f"worker {worker}"] = pid
        resident = {name: resident_bytes(pid) for name, pid in pids.items()}
        return Report(
            totals=self._board.totals(),
            model=self._model,
            resident={name: size for name, size in resident.items() if size},
            memory=used_memory_bytes(),
            memory_limit=memory_bytes(),
        )

    def since_last(self) -> Report:
        """What was counted since this was last called, by whichever process."""
        report = self.now()
        grown = report.totals.since(self._board.reported)
        self._board.reported[:] = report.totals.cells
        return replace(report, totals=grown)


def describe_model(manifest: Manifest) -> dict[str, str]:
    """What says which model this is: digests of its files, as sha256sum gives them."""
    described = {
        name: manifest.files[file].sha256[:_SHOWN_DIGITS]
        for name, file in (("booster", BOOSTER), ("features", FEATURES))
    }
    return {**described, "decision": manifest.decision, "version": version("halfstar")}
