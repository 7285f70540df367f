"""The schedule: which rounds look at what, and whether the features of each part really
depend on no more than the part says.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np
import pytest

from movielens.features import Column, FeatureSpec, Part
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.schedule import Schedule

COLUMNS = (
    Column("knows", Part.MOMENT),
    Column("lacks", Part.MOMENT),
    Column("year", Part.MOVIE),
    Column("bias", Part.USER),
    Column("hour", Part.MOMENT),
    Column("weekday", Part.MOMENT),
    Column("era_half_stars", Part.DATE),
)
NO_DATES = COLUMNS[:-1]
HYPERPARAMETERS = Hyperparameters(movie_rounds=0.2, user_rounds=0.3, date_rounds=0.4)
SCHEDULE = Schedule.of(COLUMNS, HYPERPARAMETERS)
# By the numbers of `Case`: a time alone, neither, a user alone, both.
KNOWN = range(4)


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
        if part is Part.USER:
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


def answered(schedule: Schedule, chains: Collection[Part]) -> dict[Part, list[int]]:
    """The cases that pass the gates of each chain."""
    found = {}
    for part in chains:
        passing = []
        for case in KNOWN:
            row = case, max(KNOWN) - case
            gates = schedule.gates(part, chains)
            if all(row[gate.column] >= gate.least for gate in gates):
                passing.append(case)
        found[part] = passing
    return found


def test_each_case_is_answered_by_a_chain_of_its_own() -> None:
    assert answered(SCHEDULE, SCHEDULE.chains(10)) == {
        Part.DATE: [0],
        Part.MOVIE: [1],
        Part.USER: [2],
        Part.MOMENT: [3],
    }


@pytest.mark.parametrize("n_chains", range(1, 5))
def test_no_row_is_answered_by_two_chains(n_chains: int) -> None:
    for chains in itertools.combinations(Part, n_chains):
        cases = [case for own in answered(SCHEDULE, chains).values() for case in own]
        assert len(set(cases)) == len(cases)
        if Part.MOVIE in chains:
            assert sorted(cases) == list(KNOWN)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ((Part.MOVIE,), {Part.MOVIE: [0, 1, 2, 3]}),
        ((Part.MOVIE, Part.USER), {Part.MOVIE: [0, 1], Part.USER: [2, 3]}),
        ((Part.MOVIE, Part.MOMENT), {Part.MOVIE: [0, 1, 2], Part.MOMENT: [3]}),
        ((Part.MOVIE, Part.DATE), {Part.MOVIE: [1, 2, 3], Part.DATE: [0]}),
        ((Part.MOMENT,), {Part.MOMENT: [3]}),
    ],
)
def test_a_chain_answers_for_a_missing_one_that_knows_more(
    chains: tuple[Part, ...], expected: dict[Part, list[int]]
) -> None:
    assert answered(SCHEDULE, chains) == expected


def test_hyperparameters_say_how_long_the_branches_are() -> None:
    assert SCHEDULE.chains(10) == {
        Part.MOVIE: 2,
        Part.USER: 3,
        Part.MOMENT: 10,
        Part.DATE: 4,
    }


def test_what_answers_most_cases_is_boosted_first() -> None:
    assert list(SCHEDULE.chains(10)) == [Part.MOVIE, Part.USER, Part.MOMENT, Part.DATE]


def test_a_branch_of_no_rounds_is_left_out() -> None:
    assert list(SCHEDULE.chains(2)) == [Part.USER, Part.MOMENT, Part.DATE]


def test_without_features_of_the_date_it_has_no_chain() -> None:
    schedule = Schedule.of(NO_DATES, HYPERPARAMETERS)
    assert Part.DATE not in schedule.chains(10)


def test_without_timestamps_the_main_chain_is_that_of_the_user() -> None:
    schedule = Schedule.of(NO_DATES, HYPERPARAMETERS, has_timestamps=False)
    assert schedule.chains(10) == {Part.MOVIE: 2, Part.USER: 10}


def test_after_an_earlier_model_there_are_no_branches() -> None:
    schedule = Schedule.of(COLUMNS, HYPERPARAMETERS, n_before=4)
    assert schedule.chains(14) == {Part.MOMENT: 14}


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
