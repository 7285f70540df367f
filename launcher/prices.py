"""What instances cost an hour: on-demand list prices of us-east-1 in US dollars, to the
cent, for orientation only.

They differ by region and change; the bill is AWS's. An instance that isn't listed has
no price here rather than a guessed one.
"""

from __future__ import annotations

_DOLLARS = {
    "ml.t2.medium": 0.06,
    "ml.t3.medium": 0.05,
    "ml.m5.large": 0.12,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.46,
    "ml.m5.4xlarge": 0.92,
    "ml.c5.large": 0.10,
    "ml.c5.xlarge": 0.20,
    "ml.c5.2xlarge": 0.41,
    "ml.c5.4xlarge": 0.82,
    "ml.r5.large": 0.15,
    "ml.r5.xlarge": 0.30,
    "ml.g4dn.xlarge": 0.74,
}


def per_hour(instance_type: str, count: int) -> float | None:
    """Dollars an hour of ``count`` instances, None where the price isn't known."""
    price = _DOLLARS.get(instance_type)
    return None if price is None else round(price * count, 2)
