from __future__ import annotations

from movielens.pages.markup import Markup, element, joined


def test_text_becomes_no_element() -> None:
    assert element("p", None, "<script>") == "<p>&lt;script&gt;</p>"
    assert joined(["<b>", Markup("<i>")]) == "&lt;b&gt;<i>"


def test_an_attribute_cannot_end_its_quotes() -> None:
    written = element("a", {"href": '"><script>'})
    assert written == '<a href="&quot;&gt;&lt;script&gt;"></a>'


def test_absent_attributes_and_needless_digits_are_left_out() -> None:
    written = element("rect", {"class": None, "x": 2.0, "y": 1.26})
    assert written == '<rect x="2" y="1.3"></rect>'


def test_elements_of_html_without_an_end_have_none() -> None:
    assert element("meta", {"charset": "utf-8"}) == '<meta charset="utf-8">'
