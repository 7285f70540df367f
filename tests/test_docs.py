"""Links in the docs lead somewhere, and the tests that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
NAVIGATION = ROOT / "mkdocs.yml"

LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def links_of(page: Path) -> list[tuple[str, str, str]]:
    """The text, the target and the heading of each link to something of ours."""
    links = LINK.findall(page.read_text())
    return [link for link in links if "://" not in link[1]]


def anchor(heading: str) -> str:
    """What a link to a heading ends with, as GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for text, target, heading in links_of(page):
        path = page.parent / target if target else page
        assert path.exists(), f"{text} leads to {target}, which isn't there"
        if heading and path.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert heading in map(anchor, headings), f"{target} has no {heading}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_are_named_exist(page: Path) -> None:
    for text, target, _ in links_of(page):
        name = text.strip("`")
        if name.startswith("test_") and not name.endswith(".py"):
            module = (page.parent / target).read_text()
            assert f"def {name}(" in module, f"{target} has no {name}"


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"^ +- ([\w/-]+\.md)$", NAVIGATION.read_text(), re.MULTILINE)
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted(pages)
