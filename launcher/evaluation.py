"""The evaluation of a job as a table for people: a line for each part and baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launcher.session import table

_HEADER = (
    "",
    "rows",
    "exact",
    "1 off",
    "2 off",
    "more",
    "RMSE",
    "MAE",
    "log-loss",
    "kappa",
)


def evaluation_table(evaluation: Mapping[str, Any]) -> str:
    """Shares of rows by distance in classes, then errors in stars."""
    parts = {
        name: evaluation[name] for name in ("train", "test") if evaluation.get(name)
    }
    return table(
        _HEADER,
        [
            _line(name, figures)
            for name, figures in (parts | evaluation.get("baselines", {})).items()
        ],
    )


def _line(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (f"{100 * figures['distance'][d]:.1f} %" for d in ("0", "1", "2", "more"))
    errors = (
        f"{figures[key]:.3f}"
        for key in ("rmse", "mae", "log_loss", "quadratic_weighted_kappa")
    )
    return (name, f"{figures['n_rows']:,}", *shares, *errors)
