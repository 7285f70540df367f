"""What all stages of one job share: one value that travels from the pipeline down to
every round of boosting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from movielens.features.workers import ONE_THREAD, Workers
from train.checkpoint import Checkpoints
from train.cluster import ALONE, Cluster
from train.hyperparameters import Hyperparameters
from train.stages import Stages
from train.stop import StopSignal


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """How a job trains, whatever it trains.

    The defaults are those of a job that runs on one host, keeps no checkpoints and is
    never stopped.

    Attributes:
        hyperparameters: of the job.
        stop: asked between stages and after every round.
        checkpoints: what an earlier run has reached, and where this one writes.
        cluster: the hosts, each with training rows of its own.
        has_timestamps: whether the training rows have timestamps.
        workers: the threads that make features. Bytes don't depend on them.
        stages: where the costs of stages are counted.

    Example:
        >>> context = TrainingContext(Hyperparameters(num_round=10))
        >>> context.stop.requested, len(context.cluster)
        (False, 1)
    """

    hyperparameters: Hyperparameters
    stop: StopSignal = field(default_factory=StopSignal)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    cluster: Cluster = ALONE
    has_timestamps: bool = True
    workers: Workers = ONE_THREAD
    stages: Stages = field(default_factory=Stages)
