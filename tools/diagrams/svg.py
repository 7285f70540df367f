"""Boxes, arrows, bars and words as SVG.

Lengths are in pixels, and places are of the upper left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

INK = "#1f2937"
FAINT = "#6b7280"
PAPER = "#ffffff"
LINE = 18
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"

# A fill for each kind of thing, the same in all diagrams.
DATA = "#fef3c7"
CODE = "#dbeafe"
MODEL = "#dcfce7"
ANSWER = "#fce7f3"
PLAIN = "#f3f4f6"


# To the right, and down.
Point = tuple[float, float]


@dataclass
class Drawing:
    """A picture that grows by its methods.

    Attributes:
        width: of the picture.
        height: of the picture.
        title: what it shows, for those who don't see it.
    """

    width: int
    height: int
    title: str
    _parts: list[str] = field(default_factory=list)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *lines: str,
        fill: str = PLAIN,
    ) -> None:
        """A box with lines of words in its middle; the first line is bold."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" '
            f'fill="{fill}" stroke="{INK}"/>'
        )
        middle = x + width / 2
        first = y + height / 2 - LINE * (len(lines) - 1) / 2 + 5
        for number, line in enumerate(lines):
            is_first = number == 0
            self.words(
                middle,
                first + number * LINE,
                line,
                bold=is_first,
                colour=INK if is_first else FAINT,
            )

    def bar(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """A filled rectangle without a frame."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{fill}"/>'
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        bold: bool = False,
        colour: str = INK,
        anchor: str = "middle",
    ) -> None:
        """A line of words; ``y`` is its base line."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}"{weight}>'
            f"{escape(text)}</text>"
        )

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """An arrow from one place to another."""
        self._parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" '
            f'stroke="{INK}" stroke-width="1.5" marker-end="url(#head)"/>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """A thin line."""
        self._parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" '
            f'stroke="{FAINT}" stroke-dasharray="4 3"/>'
        )

    def curve(self, points: Sequence[Point], colour: str) -> None:
        """Straight lines from point to point, each of which has a dot."""
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{corners}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        for x, y in points:
            self._parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            )

    def span(self, x: float, y: float, to_y: float, colour: str) -> None:
        """A thin upright line, such as the interval of a figure."""
        self._parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{to_y:.1f}" '
            f'stroke="{colour}" stroke-opacity="0.5"/>'
        )

    def svg(self) -> str:
        """The whole picture."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} '
            f'{self.height}" width="{self.width}" height="{self.height}" role="img" '
            f'font-family="{FONT}" font-size="13">'
        )
        marker = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>'
        )
        paper = f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>'
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join([head, title, marker, paper, *self._parts, "</svg>", ""])
