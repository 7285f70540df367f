"""Tables, figures and sections: the HTML around charts.

Each figure has its numbers as a table, in a part that opens. On paper all are open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from movielens.pages.markup import Markup, element


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers as text.

    Attributes:
        caption: what the table is of.
        header: a name for each column.
        rows: the first cell of each is its name.
        is_text: whether cells hold words, which may take several lines.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_text: bool = False

    def to_html(self) -> Markup:
        """The table, which scrolls by itself where the page is too narrow."""
        head = [element("th", {"scope": "col"}, name) for name in self.header]
        body = [_row(cells) for cells in self.rows]
        table = element(
            "table",
            {"class": "words" if self.is_text else None},
            element("caption", None, self.caption),
            element("thead", None, element("tr", None, *head)),
            element("tbody", None, *body),
        )
        # Whoever can't point at it scrolls it with the arrow keys.
        attributes = {
            "class": "scroll",
            "role": "region",
            "aria-label": self.caption,
            "tabindex": "0",
        }
        return element("div", attributes, table)


def figure(title: str, chart: Markup, table: Table, note: str = "") -> Markup:
    """A chart under its title, with its table.

    Args:
        title: what is to be seen.
        chart: the SVG.
        table: the same numbers.
        note: how to read it, in a sentence or two.
    """
    summary = element("summary", None, f"Table: {table.caption}")
    details = element("details", None, summary, table.to_html())
    parts = [element("h3", None, title)]
    if note:
        parts.append(paragraph(note, "note"))
    parts.append(chart)
    parts.append(details)
    return element("div", {"class": "figure"}, *parts)


def section(name: str, title: str, *parts: Markup, note: str = "") -> Markup:
    """A part of the page with a heading, which the list of contents links to."""
    content = [element("h2", {"id": name}, title)]
    if note:
        content.append(paragraph(note, "note"))
    content.append(element("div", {"class": "figures"}, *parts))
    attributes = {"aria-labelledby": name}
    return element("section", attributes, *content)


def paragraph(text: str, style: str | None = None) -> Markup:
    """A paragraph."""
    return element("p", {"class": style}, text)


def percent(share: float) -> str:
    """A share as text, such as ``40.2%``, as in the log."""
    return f"{100 * share:.1f}%"


def _row(cells: Sequence[str]) -> Markup:
    name, *others = cells
    row = [element("th", {"scope": "row"}, name)]
    row += [element("td", None, cell) for cell in others]
    return element("tr", None, *row)
