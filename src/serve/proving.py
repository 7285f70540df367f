"""A model is loaded in a process that may die before the server loads it.

XGBoost's reader trusts what it reads: a forged booster can end its process or keep it
busy for ever. So the model goes through these steps in a process of its own, which has
a deadline and a limit on its memory:

1. It is loaded as a server loads it, self-test and all.
2. Its boosters are read by XGBoost.
3. Their trees must be those of the flat forms, and no node may lead out of its tree,
   where XGBoost would follow it.
4. XGBoost explains a few rows of the self-test.

If all goes well, the process says which bytes it has proved. The server loads no
others.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import signal
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movielens.errors import ArtifactError, HalfstarError
from movielens.features import FeatureMatrix
from movielens.flat_forest import UnknownShapeError, flatten
from movielens.manifest import Manifest, sha256_of
from serve.contributions import contributions
from serve.errors import HttpError
from serve.resources import MIB
from serve.served_model import ServedModel, load

if TYPE_CHECKING:
    import xgboost

# Rows of the self-test that are explained.
_ROWS = 2
# Stacks of threads, and what XGBoost needs whatever the model.
_SLACK_BYTES = 128 * MIB
# The model, XGBoost's trees, and the same as values of Python.
_FACTOR = 8
# An error message may quote a file.
_LONGEST_FAULT = 1000


@dataclass(frozen=True, slots=True)
class ProofLimits:
    """What a proof may take.

    Attributes:
        seconds: from its start to its end.
        n_bytes: the size of the model's files.
    """

    seconds: float
    n_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Memory that the proof may take, beside what the process has already."""
        return _SLACK_BYTES + _FACTOR * self.n_bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """The bytes that were proved.

    Attributes:
        fingerprint: as `fingerprint` gives it.
        n_bytes: the size of the model's files.
    """

    fingerprint: str
    n_bytes: int


def fingerprint(manifest: Manifest) -> str:
    """The SHA-256 of all that decides how a model answers."""
    as_read = json.dumps(manifest.to_json(), sort_keys=True)
    return sha256_of(as_read.encode())


def prove(model_dir: Path) -> Proof:
    """Load a model, and use it in every way in which a server may use it.

    Raises:
        ArtifactError: if it isn't a model, or doesn't answer as in training.
    """
    served = load(model_dir)
    read = served.artifact
    booster, regression = served.xgboost()
    _check_trees(model_dir, booster, read.forest)
    if regression is not None:
        _check_trees(model_dir, regression, read.regression_forest)
    _explain(served)
    return Proof(fingerprint(read.manifest), read.n_bytes)


def prove_apart(model_dir: Path, limits: ProofLimits, answer: socket.socket) -> None:
    """Prove a model in this process, which must have been forked for it.

    What came of it is written to ``answer``; `proof_of` reads it. Past the deadline the
    kernel ends the process.
    """
    _limit_this_process(limits)
    found: dict[str, Any]
    try:
        found = asdict(prove(model_dir))
    except HalfstarError as error:
        found = _fault(str(error))
    except MemoryError:
        # The limit is far more than a model of this size needs.
        found = _fault(f"loading it takes more than {limits.memory_bytes // MIB} MiB")
    except Exception as error:  # noqa: BLE001 a forged file may raise anything
        found = _fault(f"{type(error).__name__}: {error}")
    # The worker that has asked may have died.
    with contextlib.suppress(OSError):
        answer.sendall(json.dumps(found).encode())


def proof_of(found: Mapping[str, Any]) -> Proof:
    """What `prove_apart` has written, or how its process ended.

    Args:
        found: the JSON that was written; ``{"ended": code}`` if nothing was, with the
            process's exit code, below 0 for a signal.

    Raises:
        HttpError: 400 if the model didn't pass; 507 if a resource was short.
    """
    match found:
        case {"fingerprint": str(given), "n_bytes": int(n_bytes)}:
            return Proof(given, n_bytes)
        case {"fault": str(fault)}:
            raise HttpError(400, fault)
        case {"ended": int(code)} if code == -signal.SIGALRM:
            raise HttpError(400, "loading it takes too long")
        case {"ended": int(code)} if code == -signal.SIGKILL:
            raise HttpError(507, "loading it was ended, as if memory were short")
        case {"ended": int(code)}:
            raise HttpError(
                400,
                f"loading it ends its process ({_named(code)}): the files aren't what "
                "training wrote; copy the whole artifact again",
            )
        case _:
            raise HttpError(507, "no process could be started to load it")


def _fault(message: str) -> dict[str, Any]:
    return {"fault": message[:_LONGEST_FAULT]}


def _limit_this_process(limits: ProofLimits) -> None:
    # The container's log has one line for each proof that dies, and no trace.
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)

    most = _data_bytes() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    # If memory runs short all the same, this process goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _data_bytes() -> int:
    """Private memory that this process may write to, in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[5]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _check_trees(model_dir: Path, booster: xgboost.Booster, flat: bytes | None) -> None:
    """Compare the trees that XGBoost has read with those of the flat form.

    If they have a shape that the flat form can't hold, it is checked at least that
    their nodes lead somewhere.

    Raises:
        ArtifactError: if they differ, or lead nowhere.
    """
    try:
        expected = flatten(bytes(booster.save_raw("ubj")))
    except UnknownShapeError:
        expected = None
    except ValueError as error:
        raise ArtifactError(f"{model_dir}: {error}") from error
    if flat != expected:
        raise ArtifactError(
            f"{model_dir}: the flat form and XGBoost's own have other trees: "
            "copy the whole artifact again"
        )


def _explain(served: ServedModel) -> None:
    """Have XGBoost explain a few rows of the self-test."""
    booster, regression = served.xgboost()
    values = served.artifact.self_test.features[:_ROWS]
    features = FeatureMatrix(values, served.model.spec.columns)
    class_values = served.model.class_values
    count = 1
    contributions(booster, regression, features, class_values, count)


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
