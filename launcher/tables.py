"""Tables for people, as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime

from launcher.world.inventory import Resource

# A column that is narrower than this isn't wrapped.
_NARROWEST = 12


def text_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    width: int | None = None,
) -> str:
    """Aligned columns, numbers to the right.

    Args:
        header: the names of the columns.
        rows: a cell for each column.
        width: the last column is wrapped so that no line is longer; None for a table
            as wide as its content, which can be piped.

    Example:
        >>> print(text_table(("movie", "stars"), [("Heat", 4.5), ("Cats", 10)]))
        movie  stars
        Heat     4.5
        Cats      10
    """
    all_rows = list(rows)
    columns: list[list[str]] = []
    for index, title in enumerate(header):
        cells = [_cell(row[index]) for row in all_rows]
        is_numeric = all(_is_number(cell) for cell in cells)
        columns.append(_aligned([title, *cells], to_the_right=is_numeric))

    lines: list[str] = []
    for cells_of_line in zip(*columns, strict=True):
        line = "  ".join(cells_of_line).rstrip()
        indent = len("  ".join([*cells_of_line[:-1], ""]))
        lines += _wrapped(line, indent, width)
    return "\n".join(lines)


def _wrapped(line: str, indent: int, width: int | None) -> list[str]:
    """A line, or several with the last column below itself."""
    if width is None or len(line) <= width or width - indent < _NARROWEST:
        return [line]
    words = line[indent:]
    parts = textwrap.wrap(words, width - indent, break_on_hyphens=False)
    first, *rest = parts
    return [line[:indent] + first, *(" " * indent + part for part in rest)]


def three_digits(value: object) -> str:
    """A number with three digits that count; anything else as it is.

    Example:
        >>> three_digits("0.07234567890123456"), three_digits("gbtree")
        ('0.0723', 'gbtree')
    """
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return text
    return text if text.lstrip("-").isdigit() else f"{number:.3g}"


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """A name and a text on each line, the texts below each other."""
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in pairs)


def resource_table(resources: Iterable[Resource], width: int | None = None) -> str:
    """A line for each resource; without times if it would be wider than ``width``."""
    rows = [
        (each.kind, each.short_name, each.state, _short_time(each.created))
        for each in resources
    ]
    header = ("kind", "name", "state", "created")
    table = text_table(header, rows)
    longest = max(len(line) for line in table.splitlines())
    if width is None or longest <= width:
        return table
    return text_table(header[:-1], [row[:-1] for row in rows])


def _short_time(iso: str) -> str:
    """A time to the minute, in this machine's own zone.

    Example:
        >>> _short_time("")
        ''
    """
    if not iso:
        return ""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _aligned(cells: list[str], *, to_the_right: bool) -> list[str]:
    """The cells of a column, all as wide as the widest."""
    width = max(len(cell) for cell in cells)
    if to_the_right:
        return [cell.rjust(width) for cell in cells]
    return [cell.ljust(width) for cell in cells]


def _is_number(text: str) -> bool:
    """Whether a cell is a number, perhaps with a unit, or empty."""
    without_signs = text.replace(",", "").replace(".", "").replace("%", "")
    digits = without_signs.strip()
    return not digits or digits.isdigit()
