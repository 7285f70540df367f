"""The straight line of training: channels, tables, split, features, booster,
evaluation, artifact.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xgboost

from movielens import artifact
from movielens.evaluation import (
    DataCounts,
    Evaluation,
    Figures,
    Rounds,
    evaluation_table,
)
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.predictions import Decision, Predictions
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import MovieTable
from train.baselines import evaluate_baselines
from train.blocks import FeatureBlocks, predict
from train.booster import fit_booster
from train.checkpoint import Checkpoints, fingerprint_of
from train.cluster import Cluster, joined
from train.device import find_device
from train.errors import JobError
from train.evaluation import evaluate
from train.hiding import hide
from train.job import TrainingJob
from train.regression import fit_regression
from train.report import metric_lines, predictions_csv
from train.split import Split, split_ratings
from train.stop import StopSignal
from train.warm import EarlierModel, read_model

logger = logging.getLogger(__name__)

MOST_ROWS_AFTER_STOP = 100_000
# Of the training rows, whose figures only show how far they are from those of the test
# rows.
MOST_TRAINING_ROWS = 1_000_000


def train(job: TrainingJob, stop: StopSignal) -> Evaluation | None:
    """Run one job to its artifact and its evaluation.

    Of several hosts, the first one evaluates and writes; the others return
    None.

    Raises:
        HalfstarError: data, hyperparameters or directories that can't be used, hosts
            that are gone, or a stop before there was a model.
    """
    with joined(job.hosts, job.failure_file) as cluster:
        with stop.giving_up("the features"):
            prepared = _prepare(job, cluster)
        stop.check("the features")
        spec, booster, regression = _fit(job, cluster, prepared, stop)
    if not cluster.is_first:
        logger.info("the model is written by %s", job.hosts.names[0])
        return None
    rounds = Rounds(
        num_round=booster.num_boosted_rounds(),
        regression_rounds=regression.num_boosted_rounds() if regression else 0,
        stopped=stop.requested,
    )
    return _finish(
        job,
        Model(spec, booster, job.hyperparameters.decision, regression),
        prepared,
        rounds,
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a job trains on."""

    split: Split
    movies: MovieTable
    scale: RatingScale
    counts: DataCounts
    earlier: EarlierModel | None


def _prepare(job: TrainingJob, cluster: Cluster) -> _Prepared:
    earlier = _earlier_model(job, cluster)
    data = _read(job, cluster, earlier)
    split, dropped = _split(job, cluster, data)
    counts = _data_counts(data, split, {**data.dropped, **dropped})
    if earlier is None:
        scale = RatingScale.of(np.concatenate([split.train.rating, split.test.rating]))
        return _Prepared(split, data.movies, scale, counts, None)
    split = earlier.added_to(split)
    counts = replace(
        counts,
        n_train=len(split.train),
        n_earlier=len(split.train) + len(split.test) - len(data.ratings),
    )
    return _Prepared(split, data.movies, earlier.spec.scale, counts, earlier)


def _earlier_model(job: TrainingJob, cluster: Cluster) -> EarlierModel | None:
    if not cluster.any(job.model is not None):
        return None
    if cluster.any(job.model is None):
        raise JobError(
            "only some hosts have the model channel: give it to all, FullyReplicated"
        )
    model = job.model
    return None if model is None else read_model(model, job.hyperparameters)


def _fit(
    job: TrainingJob, cluster: Cluster, prepared: _Prepared, stop: StopSignal
) -> tuple[FeatureSpec, xgboost.Booster, xgboost.Booster | None]:
    settings, rows, scale = job.hyperparameters, prepared.split.train, prepared.scale
    with stop.giving_up("the features were done"):
        spec = FeatureSpec.fit(rows, prepared.movies, settings.features, scale)
    hidden = hide(rows.queries(), settings.hidden_share, settings.seed)
    blocks = FeatureBlocks.fitted(spec, rows, hidden, stop, cluster, settings.tree_rows)
    logger.info("%d features a row", len(spec.names))
    checkpoints = _checkpoints(job, cluster, prepared)
    timed, earlier = rows.timestamp is not None, prepared.earlier
    classes, n_classes = scale.to_class(rows.rating), len(scale.class_values)
    start = earlier.booster if earlier else b""
    trees = fit_booster(
        blocks,
        classes,
        n_classes,
        settings,
        stop,
        checkpoints,
        cluster,
        start,
        timed=timed,
    )
    start = earlier.regression if earlier else b""
    regression = fit_regression(
        blocks, rows.rating, settings, stop, checkpoints, cluster, start, timed=timed
    )
    raw = b"".join(
        booster.save_raw("ubj")
        for booster in (trees, regression)
        if booster is not None
    )
    digests = set(cluster.gather(hashlib.sha256(raw).digest()))
    if len(digests) > 1:
        raise JobError(
            f"the hosts ended with {len(digests)} different models: report this, with the log of each host"
        )
    return spec, trees, regression


def _finish(
    job: TrainingJob, model: Model, prepared: _Prepared, rounds: Rounds
) -> Evaluation:
    # Little time is left after a stop, so that a large data set is evaluated on a part
    # of it.
    stopped = rounds.stopped
    most = MOST_ROWS_AFTER_STOP if stopped else MOST_TRAINING_ROWS
    test = (
        prepared.split.test.every(MOST_ROWS_AFTER_STOP)
        if stopped
        else prepared.split.test
    )
    split = Split(prepared.split.train.every(most), test)
    predictions = predict(model, split.test)
    train, test_figures = _figures(model, split, predictions)
    baselines = {}
    if len(split.test):
        baselines = evaluate_baselines(split.train, split.test, model.spec.scale)
    evaluation = Evaluation(
        test=test_figures,
        train=train,
        baselines=baselines,
        data=prepared.counts,
        booster=rounds,
        hyperparameters=job.hyperparameters.to_json(),
        versions=artifact.library_versions(),
    )
    _log(evaluation, model.decision)
    _write(job, model, evaluation, split, predictions)
    return evaluation


def _checkpoints(
    job: TrainingJob, cluster: Cluster, prepared: _Prepared
) -> Checkpoints:
    """The first host's, which the others go on from too."""
    if not cluster.any(cluster.is_first and job.checkpoint_dir is not None):
        return Checkpoints()
    settings = job.hyperparameters
    earlier = prepared.earlier
    fingerprint = fingerprint_of(
        settings.shaping(),
        artifact.library_versions(),
        prepared.split.train,
        prepared.movies,
        earlier.booster + earlier.regression if earlier else b"",
    )
    fingerprint |= {
        "number of hosts": str(len(cluster)),
        "device": find_device(settings.device),
    }
    directory = job.checkpoint_dir if cluster.is_first else None
    found: list[Checkpoints] = []

    def open_first() -> bytes:
        found.append(
            Checkpoints.open(directory, fingerprint, settings.checkpoint_rounds)
        )
        return found[0].packed()

    packed = cluster.exchange(open_first)[0]
    if not cluster.is_first:
        found[0].unpack(packed)
    return found[0]


def _read(job: TrainingJob, cluster: Cluster, earlier: EarlierModel | None) -> Dataset:
    began = time.monotonic()
    data = read_dataset(
        job.channels,
        job.hyperparameters.most_bad,
        earlier.spec.movies if earlier else None,
        cluster,
    )
    counts = (
        ", ".join(f"{n} {reason}" for reason, n in data.dropped.items() if n) or "none"
    )
    logger.info(
        "read %d ratings (%.3g rows/s), %d movies from %s; dropped: %s",
        len(data.ratings),
        len(data.ratings) / (time.monotonic() - began),
        len(data.movies),
        ", ".join(data.files),
        counts,
    )
    return data


def _split(
    job: TrainingJob, cluster: Cluster, data: Dataset
) -> tuple[Split, dict[str, int]]:
    """The training and test rows, and what was dropped of the user's own test rows."""
    settings = job.hyperparameters
    if not cluster.any(job.validation is not None):
        split = split_ratings(
            data.ratings, settings.split, settings.holdout, settings.seed
        )
        logger.info(
            "split %s: %d rows train, %d rows test",
            settings.split,
            len(split.train),
            len(split.test),
        )
        return split, {}
    channels = [] if job.validation is None else [job.validation]
    test = read_dataset(channels, settings.most_bad, data.movies, cluster)
    logger.info(
        "%d rows train, %d rows of the validation channel test",
        len(data.ratings),
        len(test.ratings),
    )
    return Split(data.ratings, test.ratings), {
        f"validation {reason}": n for reason, n in test.dropped.items()
    }


def _figures(
    model: Model, split: Split, predictions: Predictions
) -> tuple[Figures, Figures | None]:
    """Figures of the training rows and of the test rows, if there are any."""
    scale = model.spec.scale
    train_class = scale.to_class(split.train.rating)
    train = evaluate(predict(model, split.train), train_class)
    if not len(split.test):
        return train, None
    return train, evaluate(predictions, scale.to_class(split.test.rating))


def _log(evaluation: Evaluation, decision: Decision) -> None:
    logger.info(
        "evaluation (class: by %s; stars: the expected rating)\n%s",
        decision,
        evaluation_table(evaluation.figures),
    )
    for part in ("train", "test"):
        figures = evaluation.figures.get(part)
        for line in metric_lines(part, figures) if figures else ():
            logger.info("%s", line)


def _data_counts(data: Dataset, split: Split, dropped: dict[str, int]) -> DataCounts:
    return DataCounts(
        n_ratings=len(data.ratings),
        n_users=len(np.unique(data.ratings.user_id)),
        n_movies=len(data.movies),
        n_train=len(split.train),
        n_test=len(split.test),
        dropped=dropped,
        files=list(data.files),
    )


def _write(
    job: TrainingJob,
    model: Model,
    evaluation: Evaluation,
    split: Split,
    predictions: Predictions,
) -> None:
    artifact.save(model, evaluation, job.model_dir)
    _write_output(
        job.output_data_dir / artifact.EVALUATION,
        artifact.to_json(evaluation.to_json()),
    )
    if job.hyperparameters.save_predictions:
        _write_output(
            job.output_data_dir / "predictions.csv",
            predictions_csv(split.test, predictions),
        )
    logger.info("model in %s, evaluation in %s", job.model_dir, job.output_data_dir)


def _write_output(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise JobError(f"can't write {path}: {error.strerror or error}") from error
