"""How benchmarks report: tables on the screen, and figures as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "build" / "bench"

# The width of a table where the output is a pipe, which has no width of its own.
PIPE_WIDTH = 150

# A figure, then the low and the high end of its 95 % interval.
Interval = tuple[float, float, float]


def console() -> Console:
    """Where tables are printed."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False)


def save(name: str, results: object, screen: Console) -> None:
    """Write ``build/bench/NAME.json``, and print that."""
    path = BENCH / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2)
    path.write_text(f"{text}\n")
    screen.print(f"written to {path.relative_to(ROOT)}", markup=False)


def saved_before(name: str) -> dict[str, Any]:
    """What `save` last wrote under that name; empty if it never did."""
    path = BENCH / f"{name}.json"
    if not path.exists():
        return {}
    return dict(json.loads(path.read_bytes()))


def as_percent(interval: Interval) -> str:
    """A share of all rows and its interval, in percent."""
    value, low, high = interval
    return f"{100 * value:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def as_number(interval: Interval) -> str:
    """A figure and its interval, to three digits."""
    value, low, high = interval
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def plural(n: int, noun: str) -> str:
    """``1 row`` or ``10,000 rows``."""
    ending = "" if n == 1 else "s"
    return f"{n:,} {noun}{ending}"
