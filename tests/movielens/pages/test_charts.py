"""Charts are read back as XML, and measured."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.pages.charts import (
    SERIES,
    WIDTH,
    Bar,
    Dots,
    Line,
    Span,
    bar_chart,
    dot_chart,
    heat_map,
    line_chart,
    span_chart,
    stacked_chart,
    ticks,
)
from movielens.pages.markup import Markup

POINTS = [(0.0, 2.0), (5.0, 1.0), (10.0, 1.5)]
DOTS = [
    Dots(f"a rather long name {place}", [1.0, None], mark)
    for place, (_, mark) in enumerate(SERIES)
]
CHARTS = {
    "bars": bar_chart("bars", [Bar("a", 1.0, "1"), Bar("b & c", 0.0, "0", (0, 2))]),
    "nothing": bar_chart("nothing", [Bar("a", 0.0, "0")]),
    "stack": stacked_chart("stack", [("a", [0.5, 0.3, 0.2, 0.0])], list("wxyz")),
    "cells": heat_map("cells", ["1", "2"], [[1.0, 0.0], [0.25, 0.75]]),
    "lines": line_chart("lines", [Line("l", POINTS)], ("x", "y"), marks=[(9.0, "m")]),
    "point": line_chart("point", [Line("l", [(1.0, 1.0)], mark="disc")], ("x", "y")),
    "dots": dot_chart("dots", ["a", "b & c"], DOTS, "stars"),
    "spans": span_chart("spans", [Span("s", -0.1, 0.2, "0.1")], ("low", "high")),
}


def parsed(chart: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_image_with_a_name(name: str) -> None:
    root = parsed(CHARTS[name])
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == name


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_drawn_beyond_the_edges(name: str) -> None:
    root = parsed(CHARTS[name])
    _, _, _, height = map(float, str(root.get("viewBox")).split())
    for each in root.iter():
        for across in ("x", "x1", "x2", "cx"):
            assert 0 <= float(each.get(across, 0)) <= WIDTH
        for down in ("y", "y1", "y2", "cy"):
            assert 0 <= float(each.get(down, 0)) <= height


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart("bars", [Bar("a", 1.0, "1"), Bar("b", 4.0, "4")])
    one, four = (float(str(each.get("width"))) for each in parsed(chart).iter("rect"))
    assert four == pytest.approx(4 * one, abs=0.2)


def test_a_long_label_has_room_to_the_left_of_its_bar() -> None:
    root = parsed(bar_chart("bars", [Bar("features out of fold", 1.0, "1")]))
    label = next(root.iter("text"))
    bar = next(root.iter("rect"))
    assert float(str(label.get("x"))) >= 6.2 * len("features out of fold")
    assert float(str(bar.get("x"))) > float(str(label.get("x")))


def test_cells_say_their_percentage_and_right_ones_are_framed() -> None:
    root = parsed(CHARTS["cells"])
    texts = [each.text for each in root.iter("text")]
    assert texts[-4:] == ["100", "0", "25", "75"]
    framed = [each.get("class") == "cell hit" for each in root.iter("rect")]
    assert framed == [True, False, False, True]


def test_every_bar_and_line_is_told_apart_by_text_or_by_its_mark() -> None:
    lines = [Line("first", POINTS, "one"), Line("second", POINTS, "two", "ring")]
    root = parsed(line_chart("lines", lines, ("x", "y")))
    texts = {each.text for each in root.iter("text")}
    assert {"first", "second", "x", "y"} <= texts
    assert len([*root.iter("circle")]) == len(POINTS) + 1  # one in the legend


FLOATS = st.floats(-1e6, 1e6)


@given(FLOATS, st.floats(1e-3, 1e6))
def test_ticks_are_few_and_between_the_ends(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high)
    assert 1 <= len(found) <= 7
    assert found == sorted(set(found))
    slack = 1e-6 * max(abs(low), abs(high), 1)
    assert low - slack <= found[0]
    assert found[-1] <= high + slack


def test_a_value_that_is_missing_has_no_mark() -> None:
    root = parsed(CHARTS["dots"])
    marks = [mark for _, mark in SERIES]
    drawn = [each.get("class") for each in root.iter() if each.get("class") in marks]
    assert sorted(map(str, drawn)) == sorted([*marks, *marks])  # one in the legend


def test_a_legend_that_is_too_wide_goes_on_in_the_next_line() -> None:
    lines = [Line(dots.name, POINTS, "one", dots.mark) for dots in DOTS]
    root = parsed(line_chart("lines", lines, ("x", "y")))
    said = [each for each in root.iter("text") if "rather long" in str(each.text)]
    assert len({each.get("y") for each in said}) == 3
    assert len({(each.get("x"), each.get("y")) for each in said}) == len(DOTS)
