"""Charts as SVG, drawn for a width of 360 units, which is that of a phone.

Colours are classes, which the page's style sheet defines for light and dark. No chart
depends on them: bars have their values beside them, cells their numbers, lines their
own marks. A chart is one image for a screen reader, with a name; its numbers are in the
table that comes with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from movielens.pages.markup import Markup, element

WIDTH = 360.0
_LABELS = 114.0  # to the left of bars
_WIDEST_LABELS = 170.0
_LETTER = 6.2
_VALUES = 52.0  # to the right of bars
_ROW = 22.0
_BAR = 14.0
_DOT_STEP = 2.5
_BASELINE = 4.0  # from the middle of a line of text down to its base
_LEGEND = 24.0
_DARKEST = 0.6  # how much of a cell's colour leaves its number readable

Mark = Literal["none", "disc", "ring", "square", "diamond", "triangle", "cross"]

# Lines and marks that can be told apart without their colours.
SERIES: tuple[tuple[str, Mark], ...] = (
    ("one", "disc"),
    ("two", "ring"),
    ("three", "square"),
    ("four", "diamond"),
    ("five", "triangle"),
    ("six", "cross"),
)
# The outlines of marks that are no circles, around their middle.
_OUTLINES = {
    "square": "M-4,-4 4,-4 4,4 -4,4z",
    "diamond": "M0,-5.5 5.5,0 0,5.5 -5.5,0z",
    "triangle": "M0,-5 5,4.5 -5,4.5z",
    "cross": "M-4,-4 4,4 M-4,4 4,-4",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: to its left.
        value: its length, not below 0.
        text: the value as it is written to its right.
        interval: from where to where the true value probably is, if that is known.
    """

    label: str
    value: float
    text: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: as the legend has it.
        points: x and y, by x.
        style: its class in the style sheet, ``faint`` or one of `SERIES`.
        mark: at each point.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: str = "one"
    mark: Mark = "none"


@dataclass(frozen=True, slots=True)
class Dots:
    """Marks of one kind, at most one in each row.

    Attributes:
        name: as the legend has it.
        values: one for each row; None leaves it out.
        mark: at each value.
    """

    name: str
    values: Sequence[float | None]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Span:
    """Two marks on a line on both sides of 0.

    Attributes:
        label: to its left.
        low: where the ring is.
        high: where the disc is.
        text: to its right.
    """

    label: str
    low: float
    high: float
    text: str


def bar_chart(name: str, bars: Sequence[Bar], style: str = "one") -> Markup:
    """Horizontal bars from 0, with whiskers where they have intervals."""
    most = max((_end(bar) for bar in bars), default=0.0) or 1.0
    left = _room_for([bar.label for bar in bars])
    scale = _scale((0.0, most), (left, WIDTH - _VALUES))

    parts: list[Markup] = []
    for row, bar in enumerate(bars):
        middle = (row + 0.5) * _ROW
        parts += [
            _label(bar.label, middle, left),
            _box(scale(0), middle, scale(bar.value), f"fill-{style}"),
            _text(WIDTH, middle, bar.text, anchor="end"),
        ]
        if bar.interval is not None:
            low, high = bar.interval
            parts.append(_whisker(scale(max(low, 0.0)), scale(high), middle))
    return _svg(name, len(bars) * _ROW, parts)


def stacked_chart(
    name: str, rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]
) -> Markup:
    """Bars of shares that sum to 1; each part says its percentage if there is room.

    Args:
        name: of the chart.
        rows: the label and the shares of each bar.
        names: of the shares, which the legend lists.
    """
    scale = _scale((0.0, 1.0), (_LABELS, WIDTH))
    height = 30.0
    parts = _legend_of_boxes(names)
    for row, (label, shares) in enumerate(rows):
        middle = _LEGEND + (row + 0.5) * height
        parts.append(_label(label, middle))
        before = 0.0
        for index, share in enumerate(shares):
            left, right = scale(before), scale(before + share)
            parts.append(_part(left, middle, right, index))
            if right - left > 22:
                percent = f"{100 * share:.0f}"
                where = (left + right) / 2
                parts.append(
                    _text(where, middle, percent, anchor="middle", style=f"on-{index}")
                )
            before += share
    return _svg(name, _LEGEND + len(rows) * height, parts)


def heat_map(
    name: str, labels: Sequence[str], shares: Sequence[Sequence[float]]
) -> Markup:
    """A square of cells, each with its percentage; the more, the darker.

    Args:
        name: of the chart.
        labels: of the rows, and of the columns.
        shares: a list for each row, from 0 to 1.
    """
    left, top = 44.0, 40.0
    size = (WIDTH - left) / len(labels)
    tall = min(size, 32.0)
    parts = [
        _text(left, 8, "predicted stars →"),
        _text(0, top - 8, "true"),
    ]
    for index, label in enumerate(labels):
        across = left + (index + 0.5) * size
        down = top + (index + 0.5) * tall
        parts += [
            _text(across, top - 10, label, anchor="middle"),
            _text(left - 6, down, label, anchor="end"),
        ]
    for row, of_row in enumerate(shares):
        for column, share in enumerate(of_row):
            x = left + column * size
            y = top + row * tall
            parts.append(_cell(x, y, size, tall, share, is_hit=row == column))
    return _svg(name, top + len(labels) * tall + 2, parts)


def line_chart(
    name: str,
    lines: Sequence[Line],
    axes: tuple[str, str],
    *,
    marks: Sequence[tuple[float, str]] = (),
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Markup:
    """Lines over two axes, with a legend.

    Args:
        name: of the chart.
        lines: each with at least one point.
        axes: what is on the x axis and on the y axis.
        marks: places on the x axis that have a name.
        limits: of x and of y; by default those of the points.
    """
    legend = _legend_height([line.name for line in lines])
    height = 226.0 + legend
    # The last number of the axis is centred at the right end.
    left, right, top, bottom = 44.0, WIDTH - 16, 22.0 + legend, height - 36
    (x_from, x_to), (y_from, y_to) = limits or _limits(lines)
    x = _scale((x_from, x_to), (left, right))
    y = _scale((y_from, y_to), (bottom, top))

    parts = _legend_of_lines(lines)
    parts.append(_text(0, legend + 8, axes[1]))
    for value in ticks(y_from, y_to):
        parts += [
            _stroke(left, y(value), right, y(value), "grid"),
            _text(left - 5, y(value), f"{value:g}", anchor="end"),
        ]
    for value in ticks(x_from, x_to):
        parts += [
            _stroke(x(value), bottom, x(value), bottom + 4, "axis"),
            _text(x(value), bottom + 13, f"{value:g}", anchor="middle"),
        ]
    parts.append(_stroke(left, bottom, right, bottom, "axis"))
    parts.append(_text((left + right) / 2, height - 7, axes[0], anchor="middle"))
    for value, said in marks:
        parts.append(_stroke(x(value), top, x(value), bottom, "mark"))
        parts.append(_beside(x(value), top + 5, said))
    for line in lines:
        parts += _line(line, x, y)
    return _svg(name, height, parts)


def dot_chart(
    name: str, labels: Sequence[str], series: Sequence[Dots], axis: str
) -> Markup:
    """A row for each label, with a mark for each series.

    Args:
        name: of the chart.
        labels: of the rows, to their left.
        series: at least one value in all.
        axis: what the values are.
    """
    found = [value for dots in series for value in dots.values if value is not None]
    low, high = _with_margin(min(found), max(found))
    scale = _scale((low, high), (_LABELS, WIDTH - 8))
    top = _legend_height([dots.name for dots in series])
    bottom = top + len(labels) * _ROW

    parts: list[Markup] = []
    places = _places([dots.name for dots in series])
    for (left, middle), dots in zip(places, series, strict=True):
        parts += [
            _mark(left + 11, middle, dots.mark),
            _text(left + 27, middle, dots.name),
        ]
    for value in ticks(low, high):
        parts += [
            _stroke(scale(value), top, scale(value), bottom, "grid"),
            _text(scale(value), bottom + 10, f"{value:g}", anchor="middle"),
        ]
    for row, label in enumerate(labels):
        middle = top + (row + 0.5) * _ROW
        parts.append(_label(label, middle))
        parts.append(_stroke(_LABELS, middle, WIDTH - 8, middle, "grid"))
        for place, dots in enumerate(series):
            value_here = dots.values[row]
            # Below each other, so that equal values don't hide each other.
            down = middle + (place - (len(series) - 1) / 2) * _DOT_STEP
            if value_here is not None:
                parts.append(_mark(scale(value_here), down, dots.mark))
    center = (_LABELS + WIDTH) / 2
    parts.append(_text(center, bottom + 28, axis, anchor="middle"))
    return _svg(name, bottom + 38, parts)


def span_chart(name: str, spans: Sequence[Span], names: tuple[str, str]) -> Markup:
    """A ring and a disc in each row, on both sides of 0.

    Args:
        name: of the chart.
        spans: the rows.
        names: of the ring and of the disc, which the legend has.
    """
    labels = 152.0
    values = (value for span in spans for value in (span.low, span.high))
    most = max((abs(value) for value in values), default=0.0) or 1.0
    scale = _scale((-most, most), (labels + 8, WIDTH - _VALUES))

    height = _LEGEND + len(spans) * _ROW
    parts = [
        _mark(labels + 14, 10, "ring"),
        _text(labels + 22, 10, names[0]),
        _mark(labels + 114, 10, "disc"),
        _text(labels + 122, 10, names[1]),
        _stroke(scale(0), _LEGEND, scale(0), height, "axis"),
    ]
    for row, span in enumerate(spans):
        middle = _LEGEND + (row + 0.5) * _ROW
        parts += [
            _text(labels, middle, span.label, anchor="end"),
            _stroke(scale(span.low), middle, scale(span.high), middle, "whisker"),
            _mark(scale(span.high), middle, "disc"),
            _mark(scale(span.low), middle, "ring"),
            _text(WIDTH, middle, span.text, anchor="end"),
        ]
    return _svg(name, height, parts)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most about so many.

    Example:
        >>> ticks(0, 370)
        [0.0, 100.0, 200.0, 300.0]
    """
    smallest = (high - low) / most
    power = 10.0 ** math.floor(math.log10(smallest))
    step = power
    for factor in (2, 5, 10):
        if step < smallest:
            step = factor * power

    first = math.ceil(low / step)
    # A little more, for what isn't quite round in binary.
    last = math.floor(high / step + 1e-9)
    numbers = range(first, last + 1)
    return [round(step * number, 10) for number in numbers]


Scale = Callable[[float], float]


def _scale(values: tuple[float, float], places: tuple[float, float]) -> Scale:
    """From values to places on the chart, in a straight line."""
    low, high = values
    start, end = places

    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    return place


def _limits(lines: Sequence[Line]) -> tuple[tuple[float, float], tuple[float, float]]:
    xs: list[float] = []
    ys: list[float] = []
    for line in lines:
        xs += [x for x, _ in line.points]
        ys += [y for _, y in line.points]

    first, last = min(xs), max(xs)
    low, high = min(ys), max(ys)
    if first == last:
        last = first + 1
    return (first, last), _with_margin(low, high)


def _with_margin(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin


def _end(bar: Bar) -> float:
    return bar.value if bar.interval is None else bar.interval[1]


def _svg(name: str, height: float, parts: Sequence[Markup]) -> Markup:
    attributes = {
        "viewBox": f"0 0 {WIDTH:g} {height:g}",
        "role": "img",
        "aria-label": name,
    }
    return element("svg", attributes, *parts)


def _text(
    x: float, y: float, said: str, *, anchor: str | None = None, style: str = ""
) -> Markup:
    attributes = {
        "x": x,
        "y": y + _BASELINE,
        "text-anchor": anchor,
        "class": style or None,
    }
    return element("text", attributes, said)


def _beside(x: float, y: float, said: str) -> Markup:
    """Text to the right of a place; to its left where there is more room."""
    if x < WIDTH / 2:
        return _text(x + 4, y, said)
    return _text(x - 4, y, said, anchor="end")


def _room_for(labels: Sequence[str]) -> float:
    """Where bars begin, by the length of their labels."""
    longest = max(map(len, labels), default=0)
    wanted = 12 + _LETTER * longest
    return min(max(_LABELS, wanted), _WIDEST_LABELS)


def _label(said: str, middle: float, left: float = _LABELS) -> Markup:
    """A name to the left of a bar, which begins at ``left``."""
    return _text(left - 6, middle, said, anchor="end")


def _stroke(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    places = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return element("line", {"class": style, **places})


def _box(left: float, middle: float, right: float, style: str) -> Markup:
    attributes = {
        "class": style,
        "x": left,
        "y": middle - _BAR / 2,
        "width": max(right - left, 0.5),
        "height": _BAR,
    }
    return element("rect", attributes)


def _part(left: float, middle: float, right: float, index: int) -> Markup:
    """A part of a stacked bar."""
    attributes = {
        "class": f"part-{index}",
        "x": left,
        "y": middle - 11,
        "width": max(right - left, 0.0),
        "height": 22,
    }
    return element("rect", attributes)


def _whisker(low: float, high: float, middle: float) -> Markup:
    above = middle - 3
    below = middle + 3
    return element(
        "g",
        None,
        _stroke(low, middle, high, middle, "whisker"),
        _stroke(low, above, low, below, "whisker"),
        _stroke(high, above, high, below, "whisker"),
    )


def _cell(
    x: float, y: float, wide: float, tall: float, share: float, *, is_hit: bool
) -> Markup:
    """A cell of a heat map; the cells of right predictions have a frame."""
    box = {
        "class": "cell hit" if is_hit else "cell",
        "x": x + 0.5,
        "y": y + 0.5,
        "width": wide - 1,
        "height": tall - 1,
        "fill-opacity": f"{_DARKEST * math.sqrt(share):.2f}",
    }
    percent = f"{100 * share:.0f}"
    number = _text(x + wide / 2, y + tall / 2, percent, anchor="middle")
    return element("g", None, element("rect", box), number)


def _line(line: Line, x: Scale, y: Scale) -> list[Markup]:
    places: list[tuple[float, float]] = []
    for across, down in line.points:
        places.append((x(across), y(down)))

    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
    style = f"line-{line.style}"
    parts = [element("polyline", {"class": style, "points": points})]
    if line.mark == "none":
        return parts
    for left, top in places:
        parts.append(_mark(left, top, line.mark))
    return parts


def _mark(x: float, y: float, mark: Mark) -> Markup:
    outline = _OUTLINES.get(mark)
    if outline is None:
        return element("circle", {"class": mark, "cx": x, "cy": y, "r": 4})
    attributes = {
        "class": mark,
        "transform": f"translate({x:.1f},{y:.1f})",
        "d": outline,
    }
    return element("path", attributes)


def _legend_of_lines(lines: Sequence[Line]) -> list[Markup]:
    parts: list[Markup] = []
    places = _places([line.name for line in lines])
    for line, (left, middle) in zip(lines, places, strict=True):
        end = left + 22
        parts.append(_stroke(left, middle, end, middle, f"line-{line.style}"))
        if line.mark != "none":
            parts.append(_mark((left + end) / 2, middle, line.mark))
        parts.append(_text(end + 5, middle, line.name))
    return parts


def _legend_of_boxes(names: Sequence[str]) -> list[Markup]:
    parts: list[Markup] = []
    for index, (name, place) in enumerate(zip(names, _places(names), strict=True)):
        left, middle = place
        parts.append(_part(left, middle + 1, left + 22, index))
        parts.append(_text(left + 27, middle + 1, name))
    return parts


def _places(names: Sequence[str]) -> list[tuple[float, float]]:
    """Where the entries of a legend begin, and the middles of their lines.

    How wide an entry is goes by the length of its name. What doesn't fit into a line
    begins the next.
    """
    places: list[tuple[float, float]] = []
    left = 0.0
    middle = 10.0
    for name in names:
        width = 40 + _LETTER * len(name)
        if places and left + width > WIDTH + 10:  # the gap behind a name
            left = 0.0
            middle += _LEGEND
        places.append((left, middle))
        left += width
    return places


def _legend_height(names: Sequence[str]) -> float:
    lines = {middle for _, middle in _places(names)}
    return _LEGEND * max(len(lines), 1)
