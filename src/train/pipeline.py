"""The straight line of training.

1. Read the channels into ratings and movies.
2. Split the ratings into training and test rows; add those of an earlier model.
3. Fit the recipe of features on the training rows.
4. Boost on the features of the training rows.
5. Evaluate the model and the baselines.
6. Write the artifact, the evaluation, the predictions and the report.

Several hosts do the first four steps together; the first host does the others.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from movielens import artifact, durable
from movielens.evaluation import (
    DataCounts,
    Evaluation,
    Figures,
    Rounds,
    evaluation_table,
    stage_table,
)
from movielens.features import FeatureSpec
from movielens.features.workers import Workers
from movielens.machine import cpus
from movielens.model import Model
from movielens.predictions import Decision, Predictions
from movielens.ratings import WHOLE_STARS, RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import MovieTable, RatingTable
from train.baselines import evaluate_baselines
from train.blocks import FeatureBlocks
from train.booster import Boosters, fit_boosters
from train.checkpoint import Checkpoints, Stage, fingerprint_of
from train.cluster import Cluster, joined
from train.context import TrainingContext
from train.device import find_device
from train.errors import JobError
from train.evaluation import evaluate
from train.hiding import hide
from train.html_report.material import Material
from train.html_report.report import REPORT, write_report
from train.job import TrainingJob
from train.predicting import predict
from train.proving import prove_stages
from train.report import metric_lines, predictions_csv
from train.split import Split, split_ratings, without_tested
from train.stages import Stages
from train.stop import StopSignal
from train.warm import EarlierModel, read_model
from train.watch import USUAL_PATIENCE, Patience
from train.weighting import user_weights

logger = logging.getLogger(__name__)

# The figures of training rows only show how far they are from those of test rows, so a
# part of the rows is enough: shares of so many have a standard error of 0.4 points.
MOST_TRAINING_ROWS = 20_000
# The baselines are means of training rows, which take no time.
MOST_ROWS_OF_BASELINES = 1_000_000
# After a stop there is little time left.
MOST_ROWS_AFTER_STOP = 100_000

_SECONDS_BETWEEN_LINES = 10.0

# A scale with half stars has far more of them: a quarter of MovieLens's ratings.
_FEW_HALF_STARS = 0.01

# The key under which rows are counted that train and test channels both have.
ALSO_IN_VALIDATION = "also in validation"


def train(
    job: TrainingJob, stop: StopSignal, patience: Patience = USUAL_PATIENCE
) -> Evaluation | None:
    """Run one job to its artifact and its evaluation.

    Of several hosts, the first one evaluates and writes; the others return None.

    Args:
        job: what to train on, and where to write.
        stop: asked between stages and after every round.
        patience: how long hosts wait for each other.

    Raises:
        HalfstarError: data, hyperparameters or directories that can't be used, hosts
            that are gone, or a stop before there was a model.
    """
    stages = Stages()
    with joined(job.hosts, job.failure_file, patience) as cluster:
        with stages.stage("read and split"), stop.giving_up("the features"):
            data = _prepare(job, cluster)
        stop.check("the features")
        with _workers(job) as workers:
            spec, boosters = _fit(job, cluster, data, stop, stages, workers)

    if not cluster.is_first:
        logger.info("the model is written by %s", job.hosts.names[0])
        return None
    model = Model(
        spec, boosters.classes, job.hyperparameters.decision, boosters.regression
    )
    rounds = _rounds(boosters, stop)
    return _evaluate_and_write(job, model, boosters, data, rounds, stages)


def _workers(job: TrainingJob) -> Workers:
    """The threads that make features."""
    return Workers(job.hyperparameters.nthread or cpus())


@dataclass(frozen=True, slots=True, eq=False)
class _TrainingData:
    """What a job trains on.

    Attributes:
        split: training and test rows, those of an earlier model included.
        movies: the catalogue.
        scale: the rating classes.
        counts: rows and files, for the evaluation.
        earlier: the model to go on from, if there is one.
    """

    split: Split
    movies: MovieTable
    scale: RatingScale
    counts: DataCounts
    earlier: EarlierModel | None


# 1 and 2: from channels to training and test rows


def _prepare(job: TrainingJob, cluster: Cluster) -> _TrainingData:
    earlier = _earlier_model(job, cluster)
    data = _read(job, cluster, earlier)
    if cluster.any(job.validation is not None):
        split, dropped, files = _split_by_channel(job, cluster, data)
    else:
        split, dropped, files = _split(job, data), data.dropped, data.files
    counts = DataCounts(
        n_ratings=len(data.ratings),
        n_users=len(np.unique(data.ratings.user_id)),
        n_movies=len(data.movies),
        n_train=len(split.train),
        n_test=len(split.test),
        dropped=dropped,
        files=list(files),
    )
    if earlier is None:
        rating = np.concatenate([split.train.rating, split.test.rating])
        scale = RatingScale.of(rating)
        _warn_of_few_half_stars(rating)
        return _TrainingData(split, data.movies, scale, counts, None)

    n_new = len(split.train)
    split = earlier.added_to(split)
    n_train = len(split.train)
    counts = replace(counts, n_train=n_train, n_earlier=n_train - n_new)
    return _TrainingData(split, data.movies, earlier.spec.scale, counts, earlier)


def _warn_of_few_half_stars(rating: NDArray[np.float32]) -> None:
    """Few are likely errors, and they turn five classes into ten."""
    n_others = np.count_nonzero(~np.isin(rating, WHOLE_STARS))
    if 0 < n_others < _FEW_HALF_STARS * len(rating):
        logger.warning(
            "%d of %d ratings aren't whole stars from 1 to 5, so there are ten classes "
            "instead of five; correct them if they are errors",
            n_others,
            len(rating),
        )


def _earlier_model(job: TrainingJob, cluster: Cluster) -> EarlierModel | None:
    """The model to go on from, if there is a channel for it."""
    if not cluster.any(job.model is not None):
        return None
    if cluster.any(job.model is None):
        raise JobError(
            "only some hosts have the model channel: give it to all, FullyReplicated"
        )
    # It is the same on all hosts, so this host has the channel too.
    return None if job.model is None else read_model(job.model, job.hyperparameters)


def _read(job: TrainingJob, cluster: Cluster, earlier: EarlierModel | None) -> Dataset:
    began = time.monotonic()
    data = read_dataset(
        job.channels,
        job.hyperparameters.most_bad,
        earlier.spec.movies if earlier else None,
        cluster,
    )
    dropped = ", ".join(f"{n} {reason}" for reason, n in data.dropped.items() if n)
    logger.info(
        "read %d ratings (%.3g rows/s), %d movies from %s; dropped: %s",
        len(data.ratings),
        len(data.ratings) / (time.monotonic() - began),
        len(data.movies),
        ", ".join(data.files),
        dropped or "none",
    )
    return data


def _split(job: TrainingJob, data: Dataset) -> Split:
    hyperparameters = job.hyperparameters
    split = split_ratings(
        data.ratings,
        hyperparameters.split,
        hyperparameters.holdout,
        hyperparameters.seed,
    )
    logger.info(
        "split %s: %d rows train, %d rows test",
        hyperparameters.split,
        len(split.train),
        len(split.test),
    )
    return split


def _split_by_channel(
    job: TrainingJob, cluster: Cluster, data: Dataset
) -> tuple[Split, dict[str, int], tuple[str, ...]]:
    """The rows of the validation channel test; what was dropped; all files."""
    channels = [] if job.validation is None else [job.validation]
    most_bad = job.hyperparameters.most_bad
    test = read_dataset(channels, most_bad, data.movies, cluster)
    train, n_tested = without_tested(data.ratings, test.ratings)
    logger.info(
        "%d rows train, %d rows of the validation channel test; "
        "%d rows of both channels are left out of training",
        len(train),
        len(test.ratings),
        n_tested,
    )

    dropped = {**data.dropped, ALSO_IN_VALIDATION: n_tested}
    for reason, n_rows in test.dropped.items():
        dropped[f"validation {reason}"] = n_rows
    files = dict.fromkeys(data.files + test.files)
    return Split(train, test.ratings), dropped, tuple(files)


# 3 and 4: from training rows to boosters


def _fit(
    job: TrainingJob,
    cluster: Cluster,
    data: _TrainingData,
    stop: StopSignal,
    stages: Stages,
    workers: Workers,
) -> tuple[FeatureSpec, Boosters]:
    hyperparameters = job.hyperparameters
    rows = data.split.train
    with stages.stage("fit"), stop.giving_up("the features were done"):
        spec = FeatureSpec.fit(
            rows,
            data.movies,
            hyperparameters.features,
            data.scale,
            hyperparameters.latest_kept,
            workers,
            _FitProgress(len(hyperparameters.features)),
        )
    logger.info("%d features a row", len(spec.names))
    earlier = data.earlier
    if earlier is not None:
        earlier.check_features(spec)

    context = TrainingContext(
        hyperparameters,
        stop,
        _open_checkpoints(job, cluster, data, n_features=len(spec.names)),
        cluster,
        has_timestamps=rows.timestamp is not None,
        workers=workers,
        stages=stages,
    )
    queries = hide(rows.queries(), hyperparameters.hidden_share, hyperparameters.seed)
    blocks = FeatureBlocks.fitted(spec, rows, queries, context)
    with stages.stage("boosting"):
        boosters = fit_boosters(
            blocks,
            rows.rating,
            data.scale,
            context,
            earlier_classes=earlier.booster if earlier else b"",
            earlier_regression=earlier.regression if earlier else b"",
            weight=user_weights(rows.user_id, hyperparameters.user_evenness),
        )
    _check_that_all_have_the_same(cluster, boosters)
    return spec, boosters


class _FitProgress:
    """Logs which group is fitted, if the last line was some seconds ago."""

    def __init__(
        self, n_groups: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._n_groups = n_groups
        self._clock = clock
        self._last_line = clock()

    def __call__(self, name: str, n_done: int) -> None:
        now = self._clock()
        if now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        logger.info(
            "fitting %s, %d of %d groups of features are done",
            name,
            n_done,
            self._n_groups,
        )


def _open_checkpoints(
    job: TrainingJob, cluster: Cluster, data: _TrainingData, n_features: int
) -> Checkpoints:
    """The first host's checkpoints, from which the others go on too."""
    if not cluster.any(cluster.is_first and job.checkpoint_dir is not None):
        return Checkpoints()
    hyperparameters = job.hyperparameters
    earlier = data.earlier
    fingerprint = fingerprint_of(
        hyperparameters.shaping(),
        artifact.library_versions(),
        data.split.train,
        data.movies,
        earlier.booster + earlier.regression if earlier else b"",
    )
    fingerprint["number of hosts"] = str(len(cluster))
    fingerprint["device"] = find_device(hyperparameters.device)

    checkpoints = Checkpoints(
        directory=job.checkpoint_dir if cluster.is_first else None,
        fingerprint=fingerprint,
        every=hyperparameters.checkpoint_rounds,
    )

    n_classes = len(data.scale.class_values)

    def prove(stages: Mapping[str, Stage]) -> None:
        prove_stages(stages, n_classes, n_features)

    def restore() -> bytes:
        checkpoints.restore(prove)
        return checkpoints.packed()

    from_first_host = cluster.exchange(restore)[0]
    if not cluster.is_first:
        checkpoints.unpack(from_first_host)
    return checkpoints


def _check_that_all_have_the_same(cluster: Cluster, boosters: Boosters) -> None:
    digest = hashlib.sha256(boosters.classes.save_raw("ubj"))
    if boosters.regression is not None:
        digest.update(boosters.regression.save_raw("ubj"))
    n_models = len(set(cluster.gather(digest.digest())))
    if n_models > 1:
        raise JobError(
            f"the hosts ended with {n_models} different models: report this as a bug, "
            "with the log of each host"
        )


def _rounds(boosters: Boosters, stop: StopSignal) -> Rounds:
    regression = boosters.regression
    return Rounds(
        num_round=boosters.classes.num_boosted_rounds(),
        branch_rounds=boosters.branch_rounds,
        regression_rounds=0 if regression is None else regression.num_boosted_rounds(),
        stopped=stop.requested,
        validation_losses=list(boosters.search_losses),
    )


# 5 and 6: from a model to what the job leaves behind


def _evaluate_and_write(
    job: TrainingJob,
    model: Model,
    boosters: Boosters,
    data: _TrainingData,
    rounds: Rounds,
    stages: Stages,
) -> Evaluation:
    rows = _rows_to_evaluate(data.split, rounds)
    scale = model.spec.scale
    with stages.stage("evaluation"), _workers(job) as workers:
        predictions = predict(model, rows.test, workers)
        trained = predict(model, rows.train, workers)
        evaluation = Evaluation(
            test=_test_figures(predictions, rows, scale),
            train=evaluate(trained, scale.to_class(rows.train.rating)),
            baselines=_baselines(data.split.train, rows.test, scale),
            data=data.counts,
            booster=rounds,
            hyperparameters=job.hyperparameters.to_json(),
            versions=artifact.library_versions(),
        )
    evaluation = replace(evaluation, stages=stages.costs())
    _log(evaluation, model.decision)
    _write(job, model, evaluation, rows, predictions)
    material = Material(
        job=job.name,
        model=model,
        booster=boosters.classes,
        regression=boosters.regression,
        evaluation=evaluation,
        train=data.split.train,
        test=rows.test,
        predictions=predictions,
        nthread=job.hyperparameters.nthread,
    )
    write_report(job.output_data_dir / REPORT, material)
    return evaluation


def _rows_to_evaluate(split: Split, rounds: Rounds) -> Split:
    train = split.train.every(MOST_TRAINING_ROWS)
    if rounds.stopped:
        return Split(train, split.test.every(MOST_ROWS_AFTER_STOP))
    return Split(train, split.test)


def _test_figures(
    predictions: Predictions, rows: Split, scale: RatingScale
) -> Figures | None:
    if not len(rows.test):
        return None
    return evaluate(predictions, scale.to_class(rows.test.rating))


def _baselines(
    train: RatingTable, test: RatingTable, scale: RatingScale
) -> dict[str, Figures]:
    if not len(test):
        return {}
    return evaluate_baselines(train.every(MOST_ROWS_OF_BASELINES), test, scale)


def _log(evaluation: Evaluation, decision: Decision) -> None:
    logger.info(
        "evaluation (class: by %s; stars: the expected rating)\n%s",
        decision,
        evaluation_table(evaluation.figures),
    )
    figures = {"train": evaluation.train, "test": evaluation.test}
    for part, each in figures.items():
        for line in metric_lines(part, each) if each else ():
            logger.info("%s", line)


def _write(
    job: TrainingJob,
    model: Model,
    evaluation: Evaluation,
    rows: Split,
    predictions: Predictions,
) -> None:
    # The model comes last: a job that fails on the way leaves none behind.
    _write_output(
        job.output_data_dir / artifact.EVALUATION,
        artifact.to_json(evaluation.to_json()),
    )
    if job.hyperparameters.save_predictions:
        _write_output(
            job.output_data_dir / "predictions.csv",
            predictions_csv(rows.test, predictions),
        )
    artifact.save(model, replace(evaluation, stages=[]), job.model_dir)
    logger.info("model in %s, evaluation in %s", job.model_dir, job.output_data_dir)
    logger.info("what the stages have cost\n%s", stage_table(evaluation.stages))


def _write_output(path: Path, data: bytes) -> None:
    try:
        durable.write_whole(path, data)
    except OSError as error:
        raise JobError(f"can't write {path}: {error.strerror or error}") from error
