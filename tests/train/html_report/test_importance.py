from __future__ import annotations

import numpy as np
import pytest

from movielens.contributions import star_contributions
from train.html_report.importance import Importance, measure_importance
from train.html_report.material import Material


@pytest.fixture(scope="module")
def found(material: Material) -> Importance:
    return measure_importance(
        material.model, material.booster, material.regression, material.test, 1
    )


def test_groups_share_out_features_and_gain(
    found: Importance, material: Material
) -> None:
    names = {each.name for each in found.groups}
    assert {"base", "statistics", "taste", "blend"} <= names
    n_features = sum(each.n_features for each in found.groups)
    assert n_features == len(material.model.spec.names) == len(found.features)
    assert sum(each.gain for each in found.groups) == pytest.approx(1)


def test_stars_are_means_over_the_rows(found: Importance, material: Material) -> None:
    model = material.model
    assert found.n_rows == len(material.test)
    _, stars = star_contributions(
        material.booster,
        material.regression,
        model.spec.transform(material.test.queries()),
        model.class_values,
    )
    means = dict(zip(model.spec.names, np.abs(stars).mean(axis=0), strict=True))
    for feature in found.features:
        assert feature.stars == pytest.approx(means[feature.name])
    in_order = [feature.stars for feature in found.features]
    assert in_order == sorted(in_order, reverse=True)


def test_high_values_of_a_sum_of_opinions_raise_ratings(found: Importance) -> None:
    by_name = {feature.name: feature for feature in found.features}
    assert by_name["blend"].low < by_name["blend"].high


def test_features_that_no_tree_uses_have_no_effect(found: Importance) -> None:
    last = found.features[-1]
    assert (last.stars, last.low, last.high) == (0, 0, 0)
