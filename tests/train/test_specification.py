"""What the job declares, in SageMaker's terms; tests/launcher checks the launcher's
copy.
"""

from __future__ import annotations

from typing import Any

from train.declaration import SMALLEST_FLOAT
from train.report import METRIC_NAMES
from train.specification import specification


def supported() -> dict[str, dict[str, Any]]:
    return {each["Name"]: each for each in specification()["SupportedHyperParameters"]}


def test_a_description_says_what_is_allowed_and_what_it_means() -> None:
    description = supported()["max_depth"]["Description"]
    assert description.startswith("a whole number from 1 to 20 (splits from the root")


def test_descriptions_are_plain_text_that_sagemaker_takes() -> None:
    for name, facts in supported().items():
        assert "`" not in facts["Description"], name
        assert len(facts["Description"]) <= 1024, name


def test_a_number_without_a_bound_has_xgboosts() -> None:
    bounds = supported()["lambda"]["Range"]["ContinuousParameterRangeSpecification"]
    assert bounds == {"MinValue": "0", "MaxValue": "1.7014118346046923e+38"}


def test_a_bound_that_is_refused_itself_is_not_in_the_range() -> None:
    bounds = supported()["holdout"]["Range"]["ContinuousParameterRangeSpecification"]
    assert bounds == {"MinValue": str(SMALLEST_FLOAT), "MaxValue": "0.9"}


def test_wide_ranges_are_searched_by_factors() -> None:
    ranges = specification()["ParameterRanges"]
    scaling = {
        each["Name"]: each["ScalingType"]
        for kind in ("Integer", "Continuous")
        for each in ranges[f"{kind}ParameterRanges"]
    }
    assert scaling["num_round"] == scaling["eta"] == "Logarithmic"
    assert scaling["max_depth"] == scaling["subsample"] == "Linear"


def test_every_metric_has_a_definition() -> None:
    definitions = specification()["MetricDefinitions"]
    assert [each["Name"] for each in definitions] == list(METRIC_NAMES)
