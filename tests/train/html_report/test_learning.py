"""The curve against the losses of the booster's first rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.train.html_report.conftest import N_ROUNDS
from train.evaluation import evaluate
from train.html_report.learning import learning_curve
from train.html_report.material import Material
from train.predicting import predict


def test_each_point_is_the_loss_of_so_many_rounds(material: Material) -> None:
    curve = learning_curve(material.model, material.booster, N_ROUNDS, material.test)
    assert [n for n, _ in curve] == list(range(1, N_ROUNDS + 1))

    true_class = material.model.spec.scale.to_class(material.test.rating)
    for n_rounds, loss in curve:
        begun = replace(material.model, booster=material.booster[: int(n_rounds)])
        figures = evaluate(predict(begun, material.test), true_class)
        assert loss == pytest.approx(figures.log_loss, rel=1e-5)


def test_the_curve_ends_with_the_rounds_asked_for(material: Material) -> None:
    curve = learning_curve(material.model, material.booster, 3, material.test, most=10)
    assert [n for n, _ in curve] == [1, 2, 3]
