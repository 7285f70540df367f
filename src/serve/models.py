"""The models of a multi-model endpoint, loaded and unloaded by request.

A model is loaded in these steps, and whatever goes wrong leaves nothing of it:

1. its name is reserved;
2. its files are measured, and memory for it is taken;
3. it is proved in a process of its own;
4. it is read, and must be what was proved;
5. process 1 keeps a note of it.

For the platform it is loaded then, until the platform unloads it. If memory runs short,
the models that were asked for least recently are dropped from memory. They are read
again when they are asked for again. So are those of a worker that has died.

No file is touched under the lock, which guards the entries and the count of memory.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from movielens.errors import ArtifactError, HalfstarError
from movielens.proofs import ProofLimits
from serve.errors import HttpError
from serve.model_memory import ModelMemory
from serve.model_places import ModelPlaces
from serve.proving import fingerprint
from serve.registry import Kept, Line
from serve.resources import MIB, MODEL_FACTOR
from serve.served_model import ServedModel, load

_log = logging.getLogger(__name__)

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What models may take.

    Attributes:
        memory_bytes: all together.
        count: how many may be loaded.
        load_s: seconds in which a model must be proved; SageMaker gives a request 60 s.
        reads: models that are read again at the same time.
        leave_s: seconds in which requests in flight may keep the memory of a model that
            was unloaded or dropped.
    """

    memory_bytes: int
    count: int = 10_000
    load_s: float = 40.0
    reads: int = 2
    leave_s: float = 10.0


class _State(Enum):
    LOADING = auto()
    LOADED = auto()
    # It is being unloaded, and its name isn't free yet.
    LEAVING = auto()


@dataclass(slots=True, eq=False)
class _Entry:
    """A name that is in use.

    Attributes:
        name: of the model.
        url: its directory, as the platform gave it.
        path: the same without links.
        size: bytes of memory that it takes.
        fingerprint: of the bytes that were proved; empty before.
        state: what it is for the platform.
        served: the model, None while it isn't in memory.
        is_being_read: whether memory for it is taken and it isn't there yet.
        reading: gives the model, while it is being read again.
    """

    name: str
    url: str
    path: Path = field(default_factory=Path)
    size: int = 0
    fingerprint: str = ""
    state: _State = _State.LOADING
    served: ServedModel | None = None
    is_being_read: bool = False
    reading: Future[ServedModel] | None = None

    def to_kept(self) -> Kept:
        """What process 1 keeps of it."""
        return Kept(self.url, str(self.path), self.size, self.fingerprint)

    @classmethod
    def of(cls, name: str, kept: Kept) -> _Entry:
        """A model that a former worker has loaded."""
        return cls(
            name,
            kept.url,
            Path(kept.path),
            kept.size,
            kept.fingerprint,
            _State.LOADED,
        )


class Models:
    """Models by name; every method may be called from any thread.

    Args:
        places: where their files may be.
        limits: what they may take.
        line: to process 1.
        kept: the models that are loaded already.
    """

    def __init__(
        self,
        places: ModelPlaces,
        limits: ModelLimits,
        line: Line,
        kept: Mapping[str, Kept],
    ) -> None:
        self._places = places
        self._limits = limits
        self._line = line
        self._memory = ModelMemory(limits.memory_bytes)
        # The least recently asked for comes first.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        for name, one in kept.items():
            self._entries[name] = _Entry.of(name, one)
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(limits.reads, thread_name_prefix="read")

    def load(self, name: str, url: str) -> None:
        """Load the artifact in a directory under this name.

        Raises:
            HttpError: 409 if the name is in use, 404 if there is no such directory, 507
                if the memory or another resource is short, 400 if it isn't a model.
        """
        entry = self._reserve_name(name, url)
        refusal = self._try_to_load(entry)
        # Raised here, it has no trace, and traces hold what a function had in hand.
        if refusal is not None:
            raise refusal

    def resident(self, name: str) -> ServedModel | None:
        """The model if it is in memory; never waits.

        Raises:
            HttpError: 404 if no model of this name is loaded.
        """
        with self._lock:
            entry = self._loaded(name)
            self._entries.move_to_end(name)
            return entry.served

    def reading(self, name: str) -> Future[ServedModel]:
        """The model, read again if it isn't in memory; never waits.

        However many ask for it, it is read once.

        Raises:
            HttpError: 404 if no model of this name is loaded. The future raises a 503
            if it can't be read any more.
        """
        with self._lock:
            entry = self._loaded(name)
            self._entries.move_to_end(name)
            if entry.served is not None:
                found: Future[ServedModel] = Future()
                found.set_result(entry.served)
                return found
            if entry.reading is None:
                entry.reading = self._readers.submit(self._read_again, entry)
            return entry.reading

    def unload(self, name: str) -> None:
        """Forget the model, and wait until its memory is free.

        If requests in flight use it for long, their memory is free when they are
        answered. A model that is still being loaded is given up.

        Raises:
            HttpError: 404 if no model of this name is loaded.
        """
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.state is _State.LEAVING:
                raise _unknown(name)
            was_loaded = entry.state is _State.LOADED
            entry.state = _State.LEAVING
            served = _drop(entry)
        if was_loaded:  # otherwise its load finds out
            self._line.forget(name)
            with self._lock:
                del self._entries[name]
        deadline = time.monotonic() + self._limits.leave_s
        while served() is not None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def describe(self, name: str) -> dict[str, str]:
        """The model as SageMaker's API lists it.

        Raises:
            HttpError: 404 if no model of this name is loaded.
        """
        with self._lock:
            return _described(self._loaded(name))

    @property
    def count(self) -> int:
        """How many are loaded."""
        with self._lock:
            states = [entry.state for entry in self._entries.values()]
        return states.count(_State.LOADED)

    def describe_all(self) -> list[dict[str, str]]:
        """All models, by name."""
        with self._lock:
            entries = [
                entry
                for entry in self._entries.values()
                if entry.state is _State.LOADED
            ]
        return sorted(map(_described, entries), key=lambda model: model["modelName"])

    def _loaded(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None or entry.state is not _State.LOADED:
            raise _unknown(name)
        return entry

    def _reserve_name(self, name: str, url: str) -> _Entry:
        with self._lock:
            if name in self._entries:
                raise HttpError(409, f"model {name} is loaded already")
            if len(self._entries) >= self._limits.count:
                raise HttpError(507, f"{self._limits.count} models are loaded already")
            entry = _Entry(name, url)
            self._entries[name] = entry
            return entry

    def _try_to_load(self, entry: _Entry) -> HttpError | None:
        """Load a model; gives what is wrong with it, if anything is."""
        is_loaded = False
        try:
            place = self._places.find(entry.url)
            entry.path = place.path
            entry.size = MODEL_FACTOR * place.n_bytes
            self._publish(entry, self._read(entry))
            is_loaded = True
        except Exception as error:  # noqa: BLE001 whatever it is, nothing is left
            return _refusal(entry.name, error)
        finally:
            if not is_loaded:
                with self._lock:
                    del self._entries[entry.name]
        return None

    def _publish(self, entry: _Entry, served: ServedModel) -> None:
        """From here on the model is loaded.

        Raises:
            HttpError: 409 if it was unloaded meanwhile.
        """
        self._line.keep(entry.name, entry.to_kept())
        with self._lock:
            if entry.state is _State.LOADING:
                entry.state = _State.LOADED
                entry.served = served
                entry.is_being_read = False
                return
        self._line.forget(entry.name)
        raise HttpError(409, "it was unloaded while it was loaded")

    def _read_again(self, entry: _Entry) -> ServedModel:
        try:
            served = self._read(entry)
        except Exception as error:  # noqa: BLE001 whatever it is, others may try again
            refusal = HttpError(503, f"model {entry.name} can't be read again: {error}")
        else:
            with self._lock:
                entry.reading = None
                entry.is_being_read = False
                if entry.state is _State.LOADED:
                    entry.served = served
            return served
        _log.warning("%s", refusal)
        with self._lock:
            entry.reading = None
        raise refusal

    def _read(self, entry: _Entry) -> ServedModel:
        """Take memory for a model and read it; it is proved first if it never was.

        Raises:
            HttpError: 507 if there is no room, or a resource is short.
            ArtifactError: if it isn't a model, or its files aren't those that were
                proved.
        """
        self._take_memory(entry)
        try:
            if not entry.fingerprint:
                self._prove(entry)
            served = load(entry.path, self._places.root)
            if fingerprint(served.artifact.manifest) != entry.fingerprint:
                raise ArtifactError("its files have changed since it was proved")
        except BaseException:
            with self._lock:
                self._memory.give_back(entry.size)
                entry.is_being_read = False
            raise
        self._memory.hold(served, entry.size)
        return served

    def _prove(self, entry: _Entry) -> None:
        n_bytes = entry.size // MODEL_FACTOR
        limits = ProofLimits(self._limits.load_s, n_bytes)
        proof = self._line.prove(entry.path, self._places.root, limits)
        if proof.n_bytes > n_bytes:
            raise ArtifactError("its files have grown since they were measured")
        entry.fingerprint = proof.fingerprint

    def _take_memory(self, entry: _Entry) -> None:
        """Take memory for a model; others leave if there is too little.

        Raises:
            HttpError: 507 if there is too little all the same.
        """
        with self._lock:
            dropped = self._make_room(entry.size)
            self._memory.take(entry.size)
            entry.is_being_read = True
        for name in dropped:
            _log.info("model %s is dropped from memory until it is asked for", name)
        if self._waits_for_room():
            return
        with self._lock:
            entry.is_being_read = False
            self._memory.give_back(entry.size)
        raise HttpError(507, "requests in flight use the memory that it needs")

    def _make_room(self, size: int) -> list[str]:
        """Drop models from memory until there is room for one of this size.

        Returns the names of those that were dropped.

        Raises:
            HttpError: 507 if it needs more than the others can leave.
        """
        free = self._memory.most
        resident = []
        for entry in self._entries.values():
            if entry.served is not None or entry.is_being_read:
                free -= entry.size
            if entry.served is not None:
                resident.append(entry)
        free_at_most = free + sum(entry.size for entry in resident)
        if free_at_most < size:
            raise HttpError(
                507,
                f"it needs {_in_mib(size)}, models may take "
                f"{_in_mib(self._memory.most)} and {_in_mib(free_at_most)} can be "
                "freed; set HALFSTAR_MODELS_MIB",
            )
        dropped: list[str] = []
        while free < size:
            entry = resident[len(dropped)]
            _drop(entry)
            free += entry.size
            dropped.append(entry.name)
        return dropped

    def _waits_for_room(self) -> bool:
        """Wait until the models that were dropped are gone; False if they stay."""
        deadline = time.monotonic() + self._limits.leave_s
        while True:
            with self._lock:
                if self._memory.free >= 0:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)


def _drop(entry: _Entry) -> Callable[[], ServedModel | None]:
    """Drop a model from memory, if it is there; gives a weak reference to it."""
    served = entry.served
    if served is None:
        return lambda: None
    entry.served = None
    return weakref.ref(served)


def _described(entry: _Entry) -> dict[str, str]:
    return {"modelName": entry.name, "modelUrl": entry.url}


def _unknown(name: str) -> HttpError:
    return HttpError(404, f"no model {name} is loaded")


def _refusal(name: str, error: Exception) -> HttpError:
    """What is answered if a model couldn't be loaded."""
    match error:
        case HttpError():
            return HttpError(error.status, f"model {name}: {error}")
        case MemoryError():
            return HttpError(507, f"model {name}: the memory doesn't suffice")
        case HalfstarError():
            return HttpError(400, f"model {name}: {error}")
        case _:
            _log.error("model %s can't be loaded", name, exc_info=error)
            return HttpError(400, f"model {name}: {type(error).__name__}: {error}")


def _in_mib(n_bytes: int) -> str:
    return f"{n_bytes // MIB} MiB"
