"""What a training job takes and reports, in the terms of SageMaker's API.

``python -m train.specification`` prints it as JSON. The launcher, which doesn't import
this package, keeps it as ``launcher/training.json``.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from train.declaration import LARGEST_FLOAT, Declaration
from train.hyperparameters import Hyperparameters
from train.report import METRIC_DEFINITIONS

# A tuned range that spans this factor is searched by factors, not by differences.
_LOGARITHMIC_FROM = 10


def specification(
    hyperparameters: type[Hyperparameters] = Hyperparameters,
) -> dict[str, Any]:
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges``.

    They are as CreateAlgorithm and CreateHyperParameterTuningJob take them.
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
        # SageMaker wants an upper bound for every number.
        highest = LARGEST_FLOAT if math.isinf(high) else high
        bounds = {"MinValue": _text(low), "MaxValue": _text(highest)}
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


def _text(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.12g}"


if __name__ == "__main__":
    json.dump(specification(), sys.stdout, indent=1)
    print()
