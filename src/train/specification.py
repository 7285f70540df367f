"""What a training job takes and reports, in the terms of SageMaker's API.

``python -m train.specification`` prints it as JSON. The launcher, which doesn't import
this package, keeps it as ``launcher/training.json``.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from movielens.features.groups import GROUPS
from train.declaration import LARGEST_FLOAT, SMALLEST_FLOAT, Declaration
from train.hyperparameters import Hyperparameters
from train.report import METRIC_DEFINITIONS

# A tuned range that spans this factor is searched by factors, not by differences.
_LOGARITHMIC_FROM = 10
# The words for several groups of features.
_SETS = ("default", "all", "none")


def specification(
    hyperparameters: type[Hyperparameters] = Hyperparameters,
) -> dict[str, Any]:
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges``.

    They are as CreateAlgorithm and CreateHyperParameterTuningJob take them. What they
    have no words for follows: ``AnyCase`` names the categories whose case doesn't
    count, no number but 0 is closer to 0 than ``SmallestNumber``, and ``Lists`` has the
    values of those that take several.
    """
    declared = hyperparameters.declarations()
    return {
        "SupportedHyperParameters": [
            _supported(name, declaration) for name, declaration in declared.items()
        ],
        "MetricDefinitions": list(METRIC_DEFINITIONS),
        "ParameterRanges": {
            f"{kind}ParameterRanges": [
                _searched(name, declaration.tuned)
                for name, declaration in declared.items()
                if declaration.kind == kind and declaration.tuned is not None
            ]
            for kind in ("Integer", "Continuous")
        },
        "AnyCase": [
            name
            for name, declaration in declared.items()
            if declaration.choices
            and all(_takes(declaration, each.upper()) for each in declaration.choices)
        ],
        "SmallestNumber": _text(SMALLEST_FLOAT),
        "Lists": {"features": {"Names": list(GROUPS), "Sets": list(_SETS)}},
    }


def _supported(name: str, declaration: Declaration) -> dict[str, Any]:
    meaning = declaration.meaning.replace("`", "")
    facts = {
        "Name": name,
        "Description": f"{declaration.expected} ({meaning})",
        "Type": declaration.kind,
        "IsTunable": declaration.tuned is not None,
        "IsRequired": False,
        "DefaultValue": declaration.default_text,
    }
    if declaration.choices:
        values = {"Values": list(declaration.choices)}
        facts["Range"] = {"CategoricalParameterRangeSpecification": values}
    if declaration.bounds:
        low, high = declaration.bounds
        lowest = low if _takes(declaration, _text(low)) else _next_number(low)
        # SageMaker wants an upper bound for every number.
        highest = LARGEST_FLOAT if math.isinf(high) else high
        bounds = {"MinValue": _text(lowest), "MaxValue": _text(highest)}
        facts["Range"] = {f"{declaration.kind}ParameterRangeSpecification": bounds}
    return facts


def _searched(name: str, tuned: tuple[float, float]) -> dict[str, str]:
    low, high = tuned
    is_wide = high >= _LOGARITHMIC_FROM * low
    return {
        "Name": name,
        "MinValue": _text(low),
        "MaxValue": _text(high),
        "ScalingType": "Logarithmic" if is_wide else "Linear",
    }


def _takes(declaration: Declaration, text: str) -> bool:
    try:
        declaration.parse(text)
    except ValueError:
        return False
    return True


def _next_number(low: float) -> float:
    """The least number above ``low`` that XGBoost holds."""
    return SMALLEST_FLOAT if low == 0 else math.nextafter(low, math.inf)


def _text(number: float) -> str:
    """All digits of a number."""
    return str(number)


if __name__ == "__main__":
    json.dump(specification(), sys.stdout, indent=1)
    print()
