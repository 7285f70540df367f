"""The page of the files that a job reads and writes."""

from __future__ import annotations

from movielens import artifact
from movielens.manifest import MANIFEST
from movielens.signature import SIGNATURE
from tools.reference.markdown import code, page, table
from train.job import FAILURE, MODEL_CHANNEL, SUCCESS, VALIDATION_CHANNEL

INPUT = {
    "input/config/hyperparameters.json": (
        "text by name; see [hyperparameters](hyperparameters.md)"
    ),
    "input/config/inputdataconfig.json": (
        "the channels: input mode and distribution of each"
    ),
    "input/config/resourceconfig.json": (
        "the hosts of the job, and which of them this is"
    ),
    "input/config/checkpointconfig.json": "where checkpoints go, if the job keeps any",
    "input/data/training/": "ratings and movies, under any names; `train/` is the same",
    "input/data/movies/": "movies, if they come in a channel of their own",
    f"input/data/{VALIDATION_CHANNEL}/": "ratings to test on; replaces the split",
    f"input/data/{MODEL_CHANNEL}/": "`model.tar.gz` of an earlier job to continue from",
    "checkpoints/": "`checkpoint-N.zip`, the two newest; N counts the rounds",
}

MODEL = {
    MANIFEST: (
        "schema version, versions of libraries, feature names, class values, "
        "decision, counts, and the SHA-256 of every other file"
    ),
    SIGNATURE: (
        "the manifest's signature, if there is a [signing key](../signed-models.md)"
    ),
    artifact.BOOSTER: "the booster of the classes, in XGBoost's UBJSON",
    artifact.FOREST: (
        "the same trees in the flat form that `serve` uses; absent if their shape has"
        " none"
    ),
    artifact.REGRESSION: "with `regression_rounds`: the booster of the regression",
    artifact.REGRESSION_FOREST: "its flat form",
    artifact.FEATURES: (
        "users, catalogue, and the tables and constants of the feature groups, as "
        "arrays; nothing is pickled"
    ),
    artifact.SELF_TEST: (
        "questions with the answers of training, which `serve` must reproduce before "
        "it listens"
    ),
    artifact.EVALUATION: "the [evaluation](metrics.md#the-evaluation)",
}

OUTPUT = {
    "output/data/evaluation.json": "the same evaluation, and what each stage has cost",
    "output/data/predictions.csv": (
        "with `save_predictions=true`: "
        "`userId,movieId,rating,predicted,expected_rating` of every test row"
    ),
    "output/data/report.html": "the [report](../training.md#report)",
    "output/data/report.json": "what `launcher compare` draws of it",
    FAILURE: (
        "the reason, if the job failed. While the job runs: what would be the reason "
        "if it were killed"
    ),
    SUCCESS: "an empty file of AWS's toolkit, if the job succeeded",
}


def files_page() -> str:
    """All files under ``/opt/ml``."""
    columns = ("file", "holds")
    return page(
        "Files of a job",
        "All paths are below `/opt/ml`, or below what `SAGEMAKER_BASE_DIR` names.",
        "## Input",
        table(columns, _rows(INPUT)),
        "[Training](../training.md) says which formats are read, and how.",
        "## `model/`",
        "This directory becomes `model.tar.gz`. Equal jobs write equal bytes.",
        table(columns, _rows(MODEL)),
        "## `output/`",
        "`output/data/` becomes `output.tar.gz`.",
        table(columns, _rows(OUTPUT)),
    )


def _rows(files: dict[str, str]) -> list[tuple[str, str]]:
    return [(code(name), meaning) for name, meaning in files.items()]
