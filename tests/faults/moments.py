"""The moments of a job at which faults come, each as a test and the docs name it."""

from __future__ import annotations

from tests.faults.jobs import Fault, cut_off, kill, stop

KILLED = {
    "before the job begins": Fault("opens", "resourceconfig.json", kill),
    "while ratings are read": Fault("opens", "ratings.csv", kill),
    "before the features are fitted": Fault("logs", "split random", kill),
    "before the features are made": Fault("logs", "features a row", kill),
    "before the first checkpoint": Fault("logs", "round 2 of 8", kill),
    "before a checkpoint is written": Fault("opens", "-6.zip.unfinished", kill),
    "while a checkpoint is written": Fault("opens", "-6.zip.unfinished", cut_off),
    "before a checkpoint gets its name": Fault("renames", "-6.zip", kill),
    "after a checkpoint": Fault("logs", "round 7 of 8", kill),
    "between the search and the final rounds": Fault("logs", "early stop", kill),
    "in the regression": Fault("logs", "round 4 of 4", kill),
    "before the model is written": Fault("logs", "evaluation (", kill),
}
STOPPED_BEFORE_THE_ROUNDS = {
    "while ratings are read": Fault("opens", "ratings.csv", stop),
    "before the features are fitted": Fault("logs", "split random", stop),
    "before the features are made": Fault("logs", "features a row", stop),
}
STOPPED_IN_THE_ROUNDS = {
    "in the search": Fault("logs", "round 1 of 8", stop),
    "while a checkpoint is written": Fault("opens", "-6.zip.unfinished", stop),
    "in the regression": Fault("logs", "round 2 of 4", stop),
}
STOPPED_AFTER_THE_ROUNDS = {
    "before the model is written": Fault("logs", "evaluation (", stop),
    "while the model is written": Fault("opens", "model/features.npz", stop),
    "when the model is written": Fault("logs", "model in", stop),
}
