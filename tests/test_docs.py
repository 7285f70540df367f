"""Links in the docs lead somewhere, and the tests that they name exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from movielens.channel import Channel
from movielens.readers import read_dataset

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
NAVIGATION = ROOT / "mkdocs.yml"

REVIEWS = """\
reader,isbn,title,year,shelf,stars
Ann,9780001,Night,1984,"Poetry, essays",4
Ann,9780002,"Sea, the",,Crime,5
Bob,9780001,Night,1984,"Poetry, essays",
Bob,9780003,,1999,,3
Bob,9780003,,1999,,2
"""

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


def test_the_recipe_for_own_ratings_stands_messy_data(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "own-ratings.md").read_text()
    [recipe] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "reviews.csv").write_text(REVIEWS)
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True)

    data = read_dataset([Channel("training", tmp_path / "books")], most_bad=0.5)
    assert list(data.movies.title) == ["Night (1984)", "Sea, the", ""]
    assert data.movies.year.tolist() == [1984, 0, 0]
    assert list(data.movies.genres) == [("Poetry", "essays"), ("Crime",), ()]
    assert data.ratings.rating.tolist() == [4, 5, 2]
    assert data.dropped == {"bad_row": 1, "duplicate": 1}
