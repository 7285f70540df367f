"""The models of a multi-model endpoint: loaded and unloaded by request, kept in memory
as far as it goes.

A model that was loaded stays loaded for the platform until the platform unloads it.
Where memory runs short, those that were asked for least recently are dropped from it
and read again when they are next asked for.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from movielens import artifact
from movielens.errors import HalfstarError
from serve.errors import HttpError
from serve.served_model import ServedModel, load

_log = logging.getLogger(__name__)

# What a model takes in memory for each byte of its files: tables, titles as text, the
# mapped trees.
MEMORY_FACTOR = 3


@dataclass(slots=True)
class _Entry:
    path: Path
    size: int
    served: ServedModel | None


class Models:
    """Models by name; every method may be called from any thread.

    Args:
        memory_bytes: what the models may take together.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory = memory_bytes
        self._entries: OrderedDict[str, _Entry] = (
            OrderedDict()
        )  # the least recently asked for first
        self._lock = threading.Lock()

    def load(self, name: str, path: Path) -> None:
        """Load the artifact in ``path`` under that name.

        Raises:
            HttpError: 409 if there is a model of that name, 404 if the path doesn't
                exist, 507 if the model needs more memory than there is.
            ArtifactError: if it isn't a model.
        """
        with self._lock:
            if name in self._entries:
                raise HttpError(409, f"model {name} is loaded already")
            if not path.is_dir():
                raise HttpError(404, f"no directory {path}")
            size = MEMORY_FACTOR * artifact.size(path)
            if size > self._memory:
                raise HttpError(
                    507,
                    f"model {name} needs {size >> 20} MiB, models may take {self._memory >> 20} MiB",
                )
            self._make_room(size)
            self._entries[name] = _Entry(path, size, None)
        try:
            self.get(name)
        except HalfstarError:
            self._entries.pop(name, None)
            raise

    def get(self, name: str) -> ServedModel:
        """The model, read again if it was dropped.

        Raises:
            HttpError: 404 if none of that name is loaded.
            ArtifactError: if it is no longer a model.
        """
        with self._lock:
            entry = self._entry(name)
            self._entries.move_to_end(name)
            if entry.served is not None:
                return entry.served
            self._make_room(entry.size)
        served = load(entry.path)  # nobody waits for this but who asked for this model
        entry.served = served
        return served

    def is_resident(self, name: str) -> bool:
        """Whether `get` would find the model in memory; False for one that isn't
        loaded, of which `get` says so.
        """
        entry = self._entries.get(name)
        return entry is not None and entry.served is not None

    def unload(self, name: str) -> None:
        """Forget the model; its memory is free once the requests that use it are
        answered. Raises as `get` does.
        """
        with self._lock:
            self._entry(name)
            del self._entries[name]

    def describe(self, name: str) -> dict[str, str]:
        """As the API lists it. Raises as `get` does."""
        return {"modelName": name, "modelUrl": str(self._entry(name).path)}

    def names(self) -> list[str]:
        """All names, sorted."""
        with self._lock:
            return sorted(self._entries)

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise HttpError(404, f"no model {name} is loaded")
        return entry

    def _make_room(self, size: int) -> None:
        resident = {
            name: entry
            for name, entry in self._entries.items()
            if entry.served is not None
        }
        taken = sum(entry.size for entry in resident.values())
        for name, entry in resident.items():
            if taken + size <= self._memory:
                return
            _log.info(
                "model %s is dropped from memory until it is asked for again", name
            )
            entry.served = None
            taken -= entry.size
