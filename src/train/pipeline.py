"""The straight line of training: channels, tables, split, features, booster, evaluation, artifact."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from movielens import artifact
from movielens.features import FeatureSpec
from movielens.model import Model, Scores
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset, read_ratings
from movielens.tables import MovieTable, RatingTable
from train.baselines import evaluate_baselines
from train.blocks import FeatureBlocks, predict
from train.booster import fit_booster
from train.checkpoint import Checkpoints, fingerprint_of
from train.evaluation import Figures, evaluate
from train.hiding import hide
from train.job import VALIDATION_CHANNEL, JobError, TrainingJob
from train.report import metric_lines, predictions_csv, summary
from train.split import Split, split_ratings
from train.stop import StopSignal

logger = logging.getLogger(__name__)

MOST_ROWS_AFTER_STOP = 100_000


def train(job: TrainingJob, stop: StopSignal) -> dict[str, Any]:
    """Run one job to its artifact and its evaluation, which is returned as JSON values.

    Raises:
        HalfstarError: data, hyperparameters or directories that can't be used, or a stop before there was a model.
    """
    settings = job.hyperparameters
    data = _read(job)
    split, dropped = _split(job, data)
    scale = RatingScale.of(np.concatenate([split.train.rating, split.test.rating]))
    stop.check("the features")
    counts = _data_counts(data, split, {**data.dropped, **dropped})
    spec = FeatureSpec.fit(split.train, data.movies, settings.features, scale)
    hidden = hide(split.train.queries(), settings.hidden_share, settings.seed)
    blocks = FeatureBlocks.fitted(spec, split.train, hidden, stop)
    logger.info("%d features a row", len(spec.names))
    classes = scale.to_class(split.train.rating)
    checkpoints = _checkpoints(job, split.train, data.movies)
    booster = fit_booster(blocks, classes, len(scale.class_values), settings, stop, checkpoints)
    stopped = stop.requested
    model = Model(spec, booster)

    if stopped:
        # Little time is left after a stop, so that a large data set is evaluated on a part of it.
        split = Split(split.train.every(MOST_ROWS_AFTER_STOP), split.test.every(MOST_ROWS_AFTER_STOP))
    scores = predict(model, split.test)
    figures = _figures(model, split, scores)
    evaluation = {
        "test": figures["test"].to_json() if "test" in figures else None,
        "baselines": {name: f.to_json() for name, f in figures.items() if name not in ("train", "test")},
        "train": figures["train"].to_json(),
        "data": counts,
        "booster": {"num_round": booster.num_boosted_rounds(), "stopped": stopped},
        "hyperparameters": settings.to_json(),
        "versions": artifact.library_versions(),
    }
    _write(job, model, evaluation, split, scores)
    return evaluation


def _checkpoints(job: TrainingJob, ratings: RatingTable, movies: MovieTable) -> Checkpoints:
    if job.checkpoint_dir is None:
        return Checkpoints()
    settings = job.hyperparameters
    fingerprint = fingerprint_of(settings.shaping(), artifact.library_versions(), ratings, movies)
    return Checkpoints.open(job.checkpoint_dir, fingerprint, settings.checkpoint_rounds)


def _read(job: TrainingJob) -> Dataset:
    data = read_dataset(job.channels)
    counts = ", ".join(f"{n} {reason}" for reason, n in data.dropped.items() if n) or "none"
    logger.info(
        "read %d ratings, %d movies from %s; dropped: %s",
        len(data.ratings),
        len(data.movies),
        ", ".join(data.files),
        counts,
    )
    return data


def _split(job: TrainingJob, data: Dataset) -> tuple[Split, dict[str, int]]:
    """The training and test rows, and what was dropped of the user's own test rows."""
    settings = job.hyperparameters
    if job.validation is None:
        split = split_ratings(data.ratings, settings.split, settings.holdout, settings.seed)
        logger.info("split %s: %d rows train, %d rows test", settings.split, len(split.train), len(split.test))
        return split, {}
    test, counts = read_ratings(VALIDATION_CHANNEL, job.validation, data.movies)
    logger.info("%d rows train, %d rows of the validation channel test", len(data.ratings), len(test))
    return Split(data.ratings, test), {f"validation {reason}": n for reason, n in counts.items()}


def _figures(model: Model, split: Split, scores: Scores) -> dict[str, Figures]:
    """Figures of the model and of the baselines, logged as a table and as metric lines."""
    train_class = model.spec.scale.to_class(split.train.rating)
    figures = {"train": evaluate(predict(model, split.train), train_class, model.class_values)}
    if len(split.test):
        test_class = model.spec.scale.to_class(split.test.rating)
        figures["test"] = evaluate(scores, test_class, model.class_values)
        figures |= evaluate_baselines(split.train, split.test, model.spec.scale)
    logger.info("evaluation (class: mode of the distribution; stars: its mean)\n%s", summary(figures))
    for part in ("train", "test"):
        for line in metric_lines(part, figures[part]) if part in figures else ():
            logger.info("%s", line)
    return figures


def _data_counts(data: Dataset, split: Split, dropped: dict[str, int]) -> dict[str, Any]:
    return {
        "n_ratings": len(data.ratings),
        "n_users": len(np.unique(data.ratings.user_id)),
        "n_movies": len(data.movies),
        "n_train": len(split.train),
        "n_test": len(split.test),
        "dropped": dropped,
        "files": list(data.files),
    }


def _write(job: TrainingJob, model: Model, evaluation: dict[str, Any], split: Split, scores: Scores) -> None:
    counts = {name: value for name, value in evaluation["data"].items() if isinstance(value, int)}
    artifact.save(model, evaluation, counts, job.model_dir)
    _write_output(job.output_data_dir / artifact.EVALUATION, artifact.to_json(evaluation))
    if job.hyperparameters.save_predictions:
        _write_output(job.output_data_dir / "predictions.csv", predictions_csv(split.test, scores, model.class_values))
    logger.info("model in %s, evaluation in %s", job.model_dir, job.output_data_dir)


def _write_output(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise JobError(f"can't write {path}: {error.strerror or error}") from error
