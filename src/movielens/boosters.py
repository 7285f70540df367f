"""XGBoost's boosters, as files from elsewhere.

XGBoost's reader checks little, and what it has read it follows wherever it leads. So a
booster that may be forged is proved first, by `prove`, in a process of its own:

1. XGBoost reads it.
2. It has the classes and the features that it should have.
3. Its trees are checked: no node leads out of its tree, no tree gives to a class that
   isn't there, no round has trees that aren't there.
4. XGBoost predicts and explains with it.

Only if that process has survived is the booster read in the process that needs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from movielens.errors import ArtifactError
from movielens.flat_forest import UnknownShapeError, flatten
from movielens.json_text import parse_json
from movielens.proofs import ProofLimits, answer_of, check_answer

if TYPE_CHECKING:
    import xgboost

# Far more than the largest booster needs on a busy machine.
_SECONDS = 120.0
_SECONDS_A_BYTE = 4 / 2**20
# A process for a second needs no threads, whose stacks would count as memory.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class BoosterFile:
    """A booster that wasn't read yet.

    Attributes:
        name: of the file, for messages.
        content: XGBoost's UBJSON.
        n_classes: that it should have, 0 for a regression.
        n_features: that it should have.
    """

    name: str
    content: bytes
    n_classes: int
    n_features: int

    def read(self) -> xgboost.Booster:
        """Have XGBoost read it.

        Raises:
            ArtifactError: it is no booster, or has other classes or features.
        """
        import xgboost

        try:
            booster = xgboost.Booster(model_file=bytearray(self.content))
            settings = parse_json(booster.save_config())
            parameters = settings["learner"]["learner_model_param"]
            found = int(parameters["num_class"]), booster.num_features()
        except (
            LookupError,
            TypeError,
            ValueError,
            xgboost.core.XGBoostError,
        ) as error:
            raise ArtifactError(
                f"{self.name}: {error}; train again with this version"
            ) from error

        expected = self.n_classes, self.n_features
        if found != expected:
            raise ArtifactError(
                f"{self.name} has {found[0]} classes and {found[1]} features, "
                f"expected {expected[0]} and {expected[1]}: "
                "copy the whole artifact again"
            )
        return booster


def checked_form(name: str, booster: xgboost.Booster) -> bytes | None:
    """The flat form of a booster, whose trees are checked.

    None if the trees have a shape that the flat form can't hold. Then it is checked at
    least that they lead somewhere.

    Args:
        name: of the file, for messages.
        booster: as XGBoost has read it.

    Raises:
        ArtifactError: a node, a tree or a round leads nowhere.
    """
    try:
        return flatten(bytes(booster.save_raw("ubj")))
    except UnknownShapeError:
        return None
    except ValueError as error:
        raise ArtifactError(f"{name}: {error}") from error


def prove(files: Sequence[BoosterFile], limits: ProofLimits | None = None) -> list[int]:
    """Prove boosters in a process that may die.

    It is a new process and no fork, because this one may have threads.

    Args:
        files: the boosters.
        limits: what the proof may take; None for limits by their size.

    Returns:
        How many rounds each has.

    Raises:
        ArtifactError: one isn't what it should be, or ends the process.
        ShortageError: memory or processes were short.
    """
    n_bytes = sum(len(file.content) for file in files)
    limits = limits or ProofLimits(_SECONDS + _SECONDS_A_BYTE * n_bytes, n_bytes)
    question = {
        "seconds": limits.seconds,
        "n_bytes": limits.n_bytes,
        "files": [_described(file) for file in files],
    }
    parts = [json.dumps(question).encode(), b"\n", *(file.content for file in files)]
    code: int | None
    try:
        # -P: nothing is imported from the directory in which the job happens to be.
        ended = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=b"".join(parts),
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            check=False,
        )
    except OSError:
        code, said = None, b""
    else:
        code, said = ended.returncode, ended.stdout
    answer: dict[str, Any] = {"ended": code}
    if code == 0 and said:
        answer = json.loads(said)
    check_answer(answer)
    rounds: list[int] = answer["rounds"]
    return rounds


def _described(file: BoosterFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "size": len(file.content),
        "n_classes": file.n_classes,
        "n_features": file.n_features,
    }


# In the process that may die


def _main() -> None:
    """Answer the question on standard input."""
    # What XGBoost prints is no part of the answer.
    stdout = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    stream = sys.stdin.buffer
    question = json.loads(stream.readline())
    limits = ProofLimits(question["seconds"], question["n_bytes"])

    def rounds() -> dict[str, list[int]]:
        return {"rounds": [_rounds(file) for file in _files(question, stream)]}

    answer: Mapping[str, Any]
    try:
        # What the imports take doesn't depend on the boosters.
        import xgboost  # noqa: F401
    except (ImportError, MemoryError, OSError) as error:
        answer = {"shortage": f"XGBoost can't be started to load it ({error})"}
    else:
        answer = answer_of(rounds, limits)
    with os.fdopen(stdout, "w") as answering:
        json.dump(answer, answering)


def _files(question: dict[str, Any], stream: IO[bytes]) -> Iterator[BoosterFile]:
    """The boosters, of which one is in memory at a time."""
    for each in question["files"]:
        yield BoosterFile(
            each["name"],
            stream.read(each["size"]),
            each["n_classes"],
            each["n_features"],
        )


def _rounds(file: BoosterFile) -> int:
    """Use a booster in every way; gives its rounds."""
    import xgboost

    booster = file.read()
    checked_form(file.name, booster)
    # One row goes where missing values go.
    values = np.zeros((2, file.n_features), np.float32)
    values[0] = np.nan
    booster.inplace_predict(values)
    names = booster.feature_names
    booster.predict(xgboost.DMatrix(values, feature_names=names), pred_contribs=True)
    return booster.num_boosted_rounds()


if __name__ == "__main__":
    _main()
