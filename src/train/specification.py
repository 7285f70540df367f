"""What a training job takes and tells, in SageMaker's own terms: ``python -m
train.specification`` prints it as JSON.

The launcher, which doesn't import this package, reads it from
``launcher/training.json``.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import Field, fields
from typing import Any

from train.hyperparameters import Hyperparameters
from train.report import METRIC_DEFINITIONS

# Searched by factors rather than by differences where the range spans that many.
_LOGARITHMIC_FROM = 10
# SageMaker's bounds are required: the largest that XGBoost takes stands for none.
_UNBOUNDED = 2.0**127


def specification() -> dict[str, Any]:
    """``SupportedHyperParameters``, ``MetricDefinitions`` and ``ParameterRanges`` as
    the API's JSON.
    """
    declared = [(f, f.name.rstrip("_")) for f in fields(Hyperparameters)]
    tuned = [(f, name) for f, name in declared if f.metadata.get("tuned")]
    defaults = Hyperparameters().to_json()
    return {
        "SupportedHyperParameters": [
            _supported(f, name, defaults[name]) for f, name in declared
        ],
        "MetricDefinitions": list(METRIC_DEFINITIONS),
        "ParameterRanges": {
            "IntegerParameterRanges": [
                _searched(f, name) for f, name in tuned if _type(f) == "Integer"
            ],
            "ContinuousParameterRanges": [
                _searched(f, name) for f, name in tuned if _type(f) == "Continuous"
            ],
        },
    }


def _type(declared: Field[Any]) -> str:
    return str(declared.metadata.get("kind", "FreeText"))


def _supported(declared: Field[Any], name: str, default: object) -> dict[str, Any]:
    kind = _type(declared)
    facts = {
        "Name": name,
        "Description": declared.metadata["expected"],
        "Type": kind,
        "IsTunable": bool(declared.metadata.get("tuned")),
        "IsRequired": False,
        "DefaultValue": str(default).lower()
        if isinstance(default, bool)
        else str(default),
    }
    if kind == "Categorical":
        facts["Range"] = {
            "CategoricalParameterRangeSpecification": {
                "Values": list(declared.metadata["choices"])
            }
        }
    if kind in ("Integer", "Continuous"):
        low, high = declared.metadata["allowed"]
        bounds = {
            "MinValue": _text(low),
            "MaxValue": _text(_UNBOUNDED if math.isinf(high) else high),
        }
        facts["Range"] = {f"{kind}ParameterRangeSpecification": bounds}
    return facts


def _searched(declared: Field[Any], name: str) -> dict[str, str]:
    low, high = declared.metadata["tuned"]
    scaling = "Logarithmic" if high >= _LOGARITHMIC_FROM * low else "Linear"
    return {
        "Name": name,
        "MinValue": _text(low),
        "MaxValue": _text(high),
        "ScalingType": scaling,
    }


def _text(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.12g}"


if __name__ == "__main__":
    json.dump(specification(), sys.stdout, indent=1)
    print()
