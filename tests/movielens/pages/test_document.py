from __future__ import annotations

from movielens.pages.document import make_document
from movielens.pages.markup import Markup
from movielens.pages.tables import section


def test_the_contents_lead_to_every_section() -> None:
    page = make_document("Title", section("one", "First & last", Markup("<p>x</p>")))
    assert '<a href="#one">First &amp; last</a>' in page
    assert page.startswith("<!DOCTYPE html>\n<html")
    assert "<h1>Title</h1>" in page


def test_a_title_becomes_no_element() -> None:
    page = make_document("<img>", Markup(""))
    assert page.count("&lt;img&gt;") == 2
    assert "<img" not in page
