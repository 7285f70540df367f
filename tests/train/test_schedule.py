"""The schedule: which rounds look at what, and whether the features of each part really
depend on no more than the part says.
"""

from __future__ import annotations

import numpy as np
import pytest

from movielens.features import Column, FeatureSpec, Part
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.schedule import Schedule

COLUMNS = (
    Column("knows_user", Part.USER),
    Column("knows_time", Part.USER),
    Column("knows_date_alone", Part.USER),
    Column("knows_not_date_alone", Part.USER),
    Column("year", Part.MOVIE),
    Column("bias", Part.USER),
    Column("hour", Part.MOMENT),
    Column("weekday", Part.MOMENT),
    Column("era_half_stars", Part.DATE),
)
NO_DATES = COLUMNS[:-1]
# Two rounds of the movie, one of the user, then those of the moment.
SCHEDULE = Schedule(COLUMNS, n_before=0, first_of_user=2, first_of_moment=3)
HYPERPARAMETERS = Hyperparameters(movie_rounds=0.2, user_rounds=0.3, date_rounds=0.4)


def values(
    spec: FeatureSpec,
    queries: RatingQueries,
    *,
    user: bool = True,
    time: bool = True,
) -> dict[str, list[float]]:
    """The features by name, without the user or the time if so asked."""
    nobody = np.full_like(queries.user_id, 10**9)
    never = np.full(len(queries), np.nan)
    asked = RatingQueries(
        queries.user_id if user else nobody,
        queries.movie_id,
        queries.timestamp if time else never,
    )
    made = spec.transform(asked).values
    return {
        name: np.nan_to_num(column, nan=-1e9).tolist()
        for name, column in zip(spec.names, made.T, strict=True)
    }


def test_no_feature_depends_on_more_than_its_part_says(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    everything = values(spec, queries)
    of_movie = values(spec, queries, user=False, time=False)
    without_time = values(spec, queries, time=False)
    without_user = values(spec, queries, user=False)
    for name, part in spec.columns:
        if part is Part.MOVIE:
            assert of_movie[name] == everything[name], name
        if part is Part.USER and not name.startswith("knows_"):
            assert without_time[name] == everything[name], name
        if part is Part.DATE:
            assert without_user[name] == everything[name], name


def test_every_feature_of_the_moment_depends_on_it(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    queries = ratings.queries()
    everything = values(spec, queries)
    without_time = values(spec, queries, time=False)
    for name, part in spec.columns:
        if part is Part.MOMENT:
            assert without_time[name] != everything[name], name


def test_every_part_has_features(spec: FeatureSpec) -> None:
    assert {part for _, part in spec.columns} == set(Part)


def test_rounds_go_from_the_movie_to_the_moment() -> None:
    parts = [SCHEDULE.part(n_round) for n_round in range(4)]
    assert parts == [
        Part.MOVIE,
        Part.MOVIE,
        Part.USER,
        Part.MOMENT,
    ]


def test_rounds_have_the_gate_of_what_they_look_at() -> None:
    gates = [SCHEDULE.gate(n_round) for n_round in range(4)]
    knows_user = 0
    knows_time = 1
    assert gates == [None, None, knows_user, knows_time]


def test_a_branch_answers_unknown_users_with_a_date_and_no_other_round_does() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10)
    assert schedule.n_of_branch == 4
    knows_date_alone = 2
    knows_not_date_alone = 3
    branch = schedule.branch
    assert {branch.gate(n_round) for n_round in range(4)} == {knows_date_alone}
    assert {branch.part(n_round) for n_round in range(4)} == {Part.DATE}
    assert schedule.gate(0) == knows_not_date_alone
    assert schedule.without_branch.gate(0) is None


def test_without_features_of_the_date_there_is_no_branch() -> None:
    schedule = Schedule.of(NO_DATES, HYPERPARAMETERS, n_rounds=10)
    assert schedule.n_of_branch == 0
    assert schedule.gate(0) is None


def test_after_an_earlier_model_there_is_no_branch() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10, n_before=4)
    assert schedule.n_of_branch == 0


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (Part.MOVIE, ["year"]),
        (Part.USER, ["year", "bias"]),
        (Part.MOMENT, ["year", "bias", "hour", "weekday"]),
        (Part.DATE, ["year", "era_half_stars"]),
    ],
)
def test_a_part_has_its_own_features_and_those_of_the_parts_before(
    part: Part, names: list[str]
) -> None:
    positions = SCHEDULE.columns(part)
    assert [COLUMNS[position].name for position in positions] == names


def test_hyperparameters_say_how_many_rounds_look_at_what() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10)
    assert schedule.first_of_user == 2
    assert schedule.first_of_moment == 5


def test_without_timestamps_no_round_looks_at_the_moment() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10, has_timestamps=False)
    assert schedule.first_of_user == 2
    assert schedule.first_of_moment == 10


def test_rounds_after_an_earlier_model_look_at_everything() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10, n_before=4)
    assert schedule.part(4) is Part.MOMENT


def test_rounds_of_an_earlier_model_stay_as_they_are() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_rounds=10, n_before=4)
    assert [schedule.gate(n_round) for n_round in (0, 3, 4)] == [None, None, 1]
