"""What benchmarks have in common at their end: tables on the screen, figures with their
intervals, and JSON beside.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "build" / "bench"
_PIPED = 150
# A figure, and the low and the high end of its 95 % interval.
Interval = tuple[float, float, float]


def console() -> Console:
    """Where tables go; a pipe has no width of its own."""
    return Console(width=None if sys.stdout.isatty() else _PIPED, highlight=False)


def save(name: str, results: object, to: Console) -> None:
    """Write ``build/bench/NAME.json``, and say so."""
    path = BENCH / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    to.print(f"written to {path.relative_to(ROOT)}", markup=False)


def earlier(name: str) -> dict[str, Any]:
    """What `save` wrote under that name before, empty where it never did."""
    path = BENCH / f"{name}.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def as_share(interval: Interval) -> str:
    """Of all rows, in percent."""
    value, low, high = (100 * part for part in interval)
    return f"{value:.1f} % ({low:.1f}-{high:.1f})"


def as_number(interval: Interval) -> str:
    """To three digits."""
    value, low, high = interval
    return f"{value:.3f} ({low:.3f}-{high:.3f})"
