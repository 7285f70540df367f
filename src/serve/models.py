"""The models of a multi-model endpoint, loaded and unloaded by request.

For the platform a model is loaded until the platform unloads it. If memory runs short,
those that were asked for least recently are dropped from memory. They are read again
when they are asked for again.
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
from serve.resources import MIB, MODEL_FACTOR
from serve.served_model import ServedModel, load

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """A model that the platform has loaded.

    Attributes:
        path: the directory of its artifact.
        size: bytes of memory that it takes.
        served: the model, None while it isn't in memory.
    """

    path: Path
    size: int
    served: ServedModel | None = None


class Models:
    """Models by name; every method may be called from any thread.

    Args:
        memory_bytes: what the models may take together.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory = memory_bytes
        # The least recently asked for comes first.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name: str, path: Path) -> None:
        """Load the artifact in ``path`` under this name.

        Raises:
            HttpError: 409 if there is a model of this name, 404 if there is no such
                directory, 507 if the model needs more memory than models may take.
            ArtifactError: if it isn't a model.
        """
        with self._lock:
            if name in self._entries:
                raise HttpError(409, f"model {name} is loaded already")
            if not path.is_dir():
                raise HttpError(404, f"no directory {path}")
            size = MODEL_FACTOR * artifact.size(path)
            if size > self._memory:
                raise HttpError(
                    507,
                    f"model {name} needs {size // MIB} MiB, "
                    f"models may take {self._memory // MIB} MiB",
                )
            self._make_room(size)
            self._entries[name] = _Entry(path, size)
        try:
            self.get(name)
        except HalfstarError:
            self._entries.pop(name, None)
            raise

    def get(self, name: str) -> ServedModel:
        """The model, read again if it was dropped from memory.

        Raises:
            HttpError: 404 if no model of this name is loaded.
            ArtifactError: if its files are no longer a model.
        """
        with self._lock:
            entry = self._entry(name)
            self._entries.move_to_end(name)
            if entry.served is not None:
                return entry.served
            self._make_room(entry.size)
        # Without the lock, so that requests for other models don't wait.
        served = load(entry.path)
        entry.served = served
        return served

    def is_resident(self, name: str) -> bool:
        """Whether the model is in memory, so that `get` is quick.

        False if no model of this name is loaded.
        """
        entry = self._entries.get(name)
        return entry is not None and entry.served is not None

    def unload(self, name: str) -> None:
        """Forget the model.

        Its memory is free when the requests that use it are answered.

        Raises:
            HttpError: 404 if no model of this name is loaded.
        """
        with self._lock:
            self._entry(name)
            del self._entries[name]

    def describe(self, name: str) -> dict[str, str]:
        """The model as SageMaker's API lists it.

        Raises:
            HttpError: 404 if no model of this name is loaded.
        """
        entry = self._entry(name)
        return {"modelName": name, "modelUrl": str(entry.path)}

    def names(self) -> list[str]:
        """The names of all models, sorted."""
        with self._lock:
            return sorted(self._entries)

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise HttpError(404, f"no model {name} is loaded")
        return entry

    def _make_room(self, size: int) -> None:
        """Drop models from memory until there is room for one of this size."""
        resident = {}
        taken = 0
        for name, entry in self._entries.items():
            if entry.served is not None:
                resident[name] = entry
                taken += entry.size
        for name, entry in resident.items():
            if taken + size <= self._memory:
                return
            _log.info("model %s is dropped from memory until it is asked for", name)
            entry.served = None
            taken -= entry.size
