from __future__ import annotations

from xml.etree import ElementTree

from movielens.pages.charts import Bar, bar_chart
from movielens.pages.tables import Table, figure, percent, section

TABLE = Table("rows by <genre>", ("genre", "rows"), [("War", "1"), ("Crime", "2")])


def test_cells_have_headers_in_both_directions() -> None:
    root = ElementTree.fromstring(TABLE.to_html())
    scopes = [each.get("scope") for each in root.iter("th")]
    assert scopes == ["col", "col", "row", "row"]
    assert [each.text for each in root.iter("td")] == ["1", "2"]


def test_a_table_can_be_scrolled_by_key() -> None:
    root = ElementTree.fromstring(TABLE.to_html())
    assert (root.get("tabindex"), root.get("role")) == ("0", "region")
    assert root.get("aria-label") == "rows by <genre>"


def test_a_figure_has_its_numbers_as_a_table() -> None:
    chart = bar_chart("chart", [Bar("War", 1.0, "1")])
    root = ElementTree.fromstring(figure("Title", chart, TABLE, "A note."))
    assert [each.tag for each in root] == ["h3", "p", "svg", "details"]
    assert root.find("details//table") is not None


def test_a_section_is_named_by_its_heading() -> None:
    root = ElementTree.fromstring(section("data", "Data", TABLE.to_html(), note="N."))
    heading = root.find("h2")
    assert heading is not None
    assert root.get("aria-labelledby") == heading.get("id") == "data"


def test_a_percentage_is_written_as_in_the_log() -> None:
    assert percent(0.4021) == "40.2%"
