"""Tables for people, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from launcher.world.inventory import Resource


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns, numbers to the right.

    The table is as wide as its content, not as the terminal, so that it can be piped.

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
        lines.append("  ".join(cells_of_line).rstrip())
    return "\n".join(lines)


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """A name and a text on each line, the texts below each other."""
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in pairs)


def resource_table(resources: Iterable[Resource]) -> str:
    """A line for each resource."""
    rows = [(each.kind, each.name, each.state, each.created) for each in resources]
    return text_table(("kind", "name", "state", "created"), rows)


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
