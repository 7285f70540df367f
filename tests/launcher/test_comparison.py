from __future__ import annotations

from dataclasses import replace

from launcher.comparison import are_tested_alike, comparison_table, differences
from tests.examples import EVALUATION, FIGURES


def test_jobs_that_do_not_fit_the_terminal_come_below() -> None:
    names = [f"recommendations-of-the-team-{number}" for number in range(4)]
    searched = {"eta": "0.04120734833865521"}
    evaluations = dict.fromkeys(names, EVALUATION)
    evaluations[names[3]] = replace(EVALUATION, hyperparameters=searched)
    whole = comparison_table(evaluations)
    assert len(whole.split("\n\n")) == 1

    tables = comparison_table(evaluations, width=80).split("\n\n")
    assert len(tables) == 4
    for name, table in zip(names, tables, strict=True):
        lines = table.splitlines()
        assert lines[0].split() == [name]
        assert max(len(line) for line in lines) <= 80
    # Three digits are enough to tell jobs apart.
    (eta,) = (line for line in tables[3].splitlines() if line.startswith("eta"))
    assert eta.split() == ["eta", "0.0412"]


def test_figures_stand_below_each_other() -> None:
    better = replace(EVALUATION, test=replace(FIGURES, log_loss=1.0))
    table = comparison_table({"one": EVALUATION, "two": better})
    ends = {len(line.removesuffix(" *")) for line in table.splitlines()}
    assert len(ends) == 1


def test_the_best_figure_is_marked() -> None:
    better = replace(EVALUATION, test=replace(FIGURES, log_loss=1.0, accuracy=0.1))
    lines = comparison_table({"one": EVALUATION, "two": better}).splitlines()
    (log_loss,) = (line for line in lines if line.startswith("log-loss"))
    assert log_loss.split() == ["log-loss", "1.3000", "1.0000", "*"]


def test_what_is_alike_has_no_mark_and_is_no_difference() -> None:
    table = comparison_table({"one": EVALUATION, "two": EVALUATION})
    assert "*" not in table
    assert differences([EVALUATION, EVALUATION]) == []


def test_settings_counts_and_versions_that_differ_are_listed() -> None:
    other = replace(
        EVALUATION,
        data=replace(EVALUATION.data, n_users=1_021),
        hyperparameters={"eta": 0.1},
        versions={"xgboost": "3"},
    )
    assert differences([EVALUATION, other]) == [
        ("n users", "20", "1,021"),
        ("eta", "-", "0.1"),
        ("version of xgboost", "-", "3"),
    ]


def test_jobs_without_test_rows_are_compared_by_training_rows() -> None:
    untested = replace(EVALUATION, test=None, train=replace(FIGURES, n_rows=77))
    assert "77" in comparison_table({"one": untested, "two": EVALUATION})


def test_another_seed_or_number_of_test_rows_is_another_test() -> None:
    seeded = replace(EVALUATION, hyperparameters={"seed": 3})
    fewer = replace(EVALUATION, data=replace(EVALUATION.data, n_test=3))
    assert are_tested_alike([EVALUATION, EVALUATION])
    assert not are_tested_alike([EVALUATION, seeded])
    assert not are_tested_alike([EVALUATION, fewer])
