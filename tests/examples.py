"""Any figures and any evaluation, for the tests of several packages."""

from __future__ import annotations

from movielens.evaluation import DataCounts, Evaluation, Figures, Rounds
from movielens.report_numbers import Bin, ReportNumbers

FIGURES = Figures(
    n_rows=4,
    class_values=[1.0, 2.0, 3.0, 4.0, 5.0],
    decision="mode",
    distance={"0": 0.5, "1": 0.25, "2": 0.25, "more": 0.0},
    accuracy=0.5,
    rmse=1.1,
    mae=0.75,
    log_loss=1.3,
    calibration_error=0.1,
    reliability=[[0.4, 0.5, 4]],
    quadratic_weighted_kappa=0.6,
    confusion_matrix=[[0] * 5 for _ in range(5)],
)
EVALUATION = Evaluation(
    test=FIGURES,
    train=FIGURES,
    baselines={"user_mean": FIGURES},
    data=DataCounts(
        n_ratings=400,
        n_users=20,
        n_movies=30,
        n_train=396,
        n_test=4,
        dropped={"duplicate": 0},
        files=["training/ratings.csv", "training/movies.csv"],
    ),
    booster=Rounds(num_round=3),
)
NUMBERS = ReportNumbers(
    learning_curve=[(1.0, 2.2), (2.0, 1.8), (3.0, 1.5)],
    by_user_ratings=[
        Bin("0", 1, 1.4, (1.0, 1.8), 0.0),
        Bin("1 to 4", 3, 0.9, (0.5, 1.2), 0.5),
    ],
    by_movie_ratings=[Bin("5 to 9", 4, 1.1, (0.8, 1.4), 0.5)],
)
