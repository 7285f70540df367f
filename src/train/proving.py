"""Boosters from elsewhere are proved before this process has XGBoost read them.

That is the model that a job goes on from, and the checkpoints that it finds. Whoever
can write them may have forged them, and then XGBoost's reader may end the process
before it can say why.
"""

from __future__ import annotations

from collections.abc import Mapping

from movielens import boosters
from movielens.artifact import Artifact
from movielens.boosters import BoosterFile
from movielens.errors import ArtifactError
from movielens.proofs import ShortageError
from train.checkpoint import Stage
from train.errors import MORE_MEMORY, JobError
from train.objective import REGRESSION_STAGE


def prove_model(read: Artifact, name: str) -> None:
    """Prove the boosters of a model.

    Args:
        read: the model.
        name: what to call it in messages.

    Raises:
        ArtifactError: a booster isn't what training writes.
        JobError: a resource was short.
    """
    regression = read.regression_as_read
    files = [read.booster_as_read]
    if regression is not None:
        files.append(regression)
    try:
        boosters.prove(files)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from error
    except ShortageError as error:
        raise _short(name, error) from error


def prove_stages(stages: Mapping[str, Stage], n_classes: int, n_features: int) -> None:
    """Prove the boosters of a checkpoint.

    Args:
        stages: by name.
        n_classes: of the job; the regression has none.
        n_features: of the job.

    Raises:
        ArtifactError: a booster isn't what the job writes, or has other rounds than the
            checkpoint says.
        JobError: a resource was short.
    """
    files = [
        BoosterFile(
            name,
            stage.booster,
            0 if name.startswith(REGRESSION_STAGE) else n_classes,
            n_features,
        )
        for name, stage in stages.items()
    ]
    try:
        found = boosters.prove(files)
    except ShortageError as error:
        raise _short("the checkpoint", error) from error
    said = [stage.n_rounds for stage in stages.values()]
    if found != said:
        raise ArtifactError(f"it has {found} rounds, and says that it has {said}")


def _short(what: str, error: ShortageError) -> JobError:
    return JobError(f"{what}: {error}: {MORE_MEMORY}")
