"""The file around the sections of a page: a head, a title and a list of contents."""

from __future__ import annotations

import re
from importlib import resources

from movielens.pages.markup import Markup, element, joined

_HEADING = re.compile(r'<h2 id="([a-z]+)"(?: class="[a-z]+")?>([^<]+)</h2>')
# What the page may load: nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def make_document(title: str, sections: Markup) -> str:
    """All of the file.

    Args:
        title: of the page.
        sections: each as `movielens.pages.tables.section` makes it.
    """
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("title", None, title),
        element("style", None, Markup(_style())),
    )
    body = element(
        "body",
        None,
        element(
            "header",
            None,
            element("h1", None, title),
            _contents(sections),
        ),
        element("main", None, sections),
    )
    page = element("html", {"lang": "en"}, head, body)
    return f"<!DOCTYPE html>\n{page}\n"


def _contents(sections: Markup) -> Markup:
    links = [
        element("li", None, element("a", {"href": f"#{name}"}, Markup(title)))
        for name, title in _HEADING.findall(sections)
    ]
    return element(
        "nav", {"aria-label": "Contents"}, element("ul", None, joined(links))
    )


def _style() -> str:
    return (resources.files(__package__) / "style.css").read_text()
