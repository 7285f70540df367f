"""A model is loaded in a process that may die before the server loads it.

It goes through these steps, in a process as `movielens.proofs` has it:

1. It is loaded as a server loads it, self-test and all.
2. Its boosters are read by XGBoost.
3. Their trees are checked (`movielens.boosters`), and must be those of the flat forms.
4. XGBoost explains a few rows of the self-test.

If all goes well, the process says which bytes it has proved. The server loads no
others.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movielens.boosters import checked_form
from movielens.errors import ArtifactError
from movielens.features import FeatureMatrix
from movielens.manifest import Manifest, sha256_of
from movielens.proofs import ProofLimits, ShortageError, answer_of, check_answer
from serve.contributions import contributions
from serve.errors import HttpError
from serve.served_model import ServedModel, load

if TYPE_CHECKING:
    import xgboost

# Rows of the self-test that are explained.
_ROWS = 2


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


def prove(model_dir: Path, below: Path | None = None) -> Proof:
    """Load a model, and use it in every way in which a server may use it.

    Args:
        model_dir: the directory.
        below: as of `movielens.artifact.read`.

    Raises:
        ArtifactError: if it isn't a model, or doesn't answer as in training.
    """
    served = load(model_dir, below)
    read = served.artifact
    booster, regression = served.xgboost()
    _check_trees(model_dir, booster, read.forest)
    if regression is not None:
        _check_trees(model_dir, regression, read.regression_forest)
    _explain(served)
    return Proof(fingerprint(read.manifest), read.n_bytes)


def prove_apart(
    model_dir: Path, below: Path, limits: ProofLimits, answer: socket.socket
) -> None:
    """Prove a model in this process, which must have been forked for it.

    What came of it is written to ``answer``; `proof_of` reads it. Past the deadline the
    kernel ends the process.
    """
    found = answer_of(lambda: asdict(prove(model_dir, below)), limits)
    # The worker that has asked may have died.
    with contextlib.suppress(OSError):
        answer.sendall(json.dumps(found).encode())


def proof_of(found: Mapping[str, Any]) -> Proof:
    """What `prove_apart` has written, or how its process ended.

    Args:
        found: the JSON that was written; ``{"ended": code}`` if nothing was, with the
            process's exit code, below 0 for a signal.

    Raises:
        ArtifactError: if the model didn't pass.
        HttpError: 507 if a resource was short.
    """
    try:
        check_answer(found)
    except ShortageError as error:
        raise HttpError(507, str(error)) from error
    return Proof(**found)


def _check_trees(model_dir: Path, booster: xgboost.Booster, flat: bytes | None) -> None:
    """Compare the trees that XGBoost has read with those of the flat form.

    Raises:
        ArtifactError: if they differ, or lead nowhere.
    """
    if flat != checked_form(str(model_dir), booster):
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
