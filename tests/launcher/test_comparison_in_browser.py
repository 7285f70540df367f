"""The comparison of jobs in a browser: as people see it and have it read to them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from launcher.comparison_page import comparison_page
from tests.browser import DESKTOP, PHONE, faults_of, is_wider_than_its_window
from tests.examples import EVALUATION, FIGURES, NUMBERS


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    better = replace(EVALUATION, test=replace(FIGURES, rmse=0.9))
    results = {
        f"halfstar-20261126-101010-{place}": (evaluation, NUMBERS)
        for place, evaluation in enumerate([EVALUATION, better] * 3)
    }
    path.write_text(comparison_page(results), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), (PHONE, "dark"), (PHONE, "light"), (DESKTOP, "dark")],
    ids=["desktop-light", "phone-dark", "phone-light", "desktop-dark"],
)
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, size: dict[str, int], scheme: str
) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    for summary in page.locator("summary").all():
        summary.click()
    assert faults_of(page) == []
    assert not is_wider_than_its_window(page)
    assert said == []
    context.close()


def test_charts_have_names_and_tables_open_by_key(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
    page.goto(address)
    expect(page.get_by_role("img")).to_have_count(5)
    table = page.get_by_role("table", name="log-loss by rounds")
    expect(table).to_be_hidden()
    page.get_by_text("Table: log-loss by rounds").focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    page.context.close()
