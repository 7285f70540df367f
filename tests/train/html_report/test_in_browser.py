"""The report in a browser: as people see it, print it and have it read to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import DESKTOP, PHONE, faults_of, is_wider_than_its_window
from train.html_report.material import Material
from train.html_report.report import write_report


@pytest.fixture(scope="module")
def address(material: Material, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write_report(path, material)
    return path.as_uri()


def opened(browser: Browser, address: str, **options: Any) -> Page:
    """The page in a context of its own; nothing is said on the console."""
    page = browser.new_context(**options).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    assert said == []
    return page


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), (PHONE, "dark"), (PHONE, "light"), (DESKTOP, "dark")],
    ids=["desktop-light", "phone-dark", "phone-light", "desktop-dark"],
)
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, size: dict[str, int], scheme: str
) -> None:
    page = opened(browser, address, viewport=size, color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert faults_of(page) == []
    assert not is_wider_than_its_window(page)
    page.context.close()


def test_contents_lead_to_sections_and_tables_open_by_key(
    browser: Browser, address: str
) -> None:
    page = opened(browser, address, viewport=PHONE)
    page.get_by_role("link", name="Where it errs").click()
    heading = page.get_by_role("heading", name="Where it errs")
    expect(heading).to_be_in_viewport()

    table = page.get_by_role("table", name="by genre")
    expect(table).to_be_hidden()
    page.get_by_text("Table: by genre").focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    expect(table.get_by_role("rowheader", name="Comedy")).to_be_visible()
    page.context.close()


def test_a_screen_reader_hears_each_chart_by_its_name(
    browser: Browser, address: str
) -> None:
    page = opened(browser, address)
    charts = page.get_by_role("img")
    assert charts.count() == page.locator("svg").count() == 13
    expect(page.get_by_role("img", name="Log-loss by rounds")).to_be_visible()
    page.context.close()


def test_the_theme_is_the_readers(browser: Browser, address: str) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page = opened(browser, address, color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.context.close()
    assert colours == ["rgb(255, 255, 255)", "rgb(18, 22, 28)"]


def test_paper_has_all_tables_in_light_colours(browser: Browser, address: str) -> None:
    page = opened(browser, address, color_scheme="dark")
    page.emulate_media(media="print")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    # A table that is closed on the screen is open on paper.
    are_visible = (
        "[...document.querySelectorAll('table')].map(t => t.checkVisibility())"
    )
    assert all(page.evaluate(are_visible))
    page.emulate_media(media="screen")
    assert not all(page.evaluate(are_visible))
    page.context.close()


def test_the_file_needs_no_network(browser: Browser, address: str) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert asked == [address]
    assert Path(address).suffix == ".html"
    context.close()
