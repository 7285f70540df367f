"""The playground as people use it: with a mouse, with a keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from launcher.play.server import PlayServer
from tests.browser import DESKTOP, PHONE, faults_of, is_wider_than_its_window


@pytest.fixture
def page(browser: Browser, playground: PlayServer) -> Iterator[Page]:
    page = opened(browser, playground, viewport=DESKTOP)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.context.close()
    assert errors == []


def opened(browser: Browser, playground: PlayServer, **options: Any) -> Page:
    """The page with its first answers."""
    page = browser.new_context(**options).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(playground.url)
    expect(recommended(page)).to_have_count(12)
    expect(page.locator("#why li").last).to_be_visible()
    assert said == []
    return page


def recommended(page: Page) -> Locator:
    return page.locator("#best li")


def rate_first(page: Page, stars: str) -> str:
    """Rate the first recommended movie, wait for new ones; gives its title."""
    first = recommended(page).first
    title = first.locator(".name").inner_text()
    first.get_by_role("combobox").select_option(stars)
    expect(recommended(page).first.locator(".name")).not_to_have_text(title)
    return title


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), (PHONE, "dark"), (PHONE, "light"), (DESKTOP, "dark")],
    ids=["desktop-light", "phone-dark", "phone-light", "desktop-dark"],
)
def test_axe_finds_nothing_serious(
    browser: Browser, playground: PlayServer, size: dict[str, int], scheme: str
) -> None:
    page = opened(browser, playground, viewport=size, color_scheme=scheme)
    page.get_by_text("Genres: any").click()
    rate_first(page, "5")
    page.get_by_role("combobox", name="Find a movie").fill("alien")
    expect(page.get_by_role("option", name="Alien").first).to_be_visible()
    assert faults_of(page) == []
    assert not is_wider_than_its_window(page)

    page.get_by_role("radio", name="A user of the data").check(force=True)
    expect(page.locator("#favourites li").first).to_be_visible()
    assert faults_of(page) == []
    assert not is_wider_than_its_window(page)
    page.context.close()


def test_a_movie_is_found_and_chosen_by_keyboard_alone(page: Page) -> None:
    search = page.get_by_role("combobox", name="Find a movie")
    search.focus()
    page.keyboard.type("alien 5")
    option = page.get_by_role("option", name="Alien 5")
    expect(option).to_be_visible()
    expect(search).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(search).to_have_attribute("aria-activedescendant", "found-0")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_contain_text("Alien 5")
    expect(option).to_be_hidden()

    search.fill("no such movie at all")
    expect(page.get_by_role("option", name="no such title")).to_be_visible()
    page.keyboard.press("Escape")
    expect(search).to_have_attribute("aria-expanded", "false")


def test_an_answer_that_comes_late_does_not_take_the_choice_away(page: Page) -> None:
    search = page.get_by_role("combobox", name="Find a movie")
    search.fill("alien 5")
    option = page.get_by_role("option", name="Alien 5")
    expect(option).to_be_visible()

    held: list[Route] = []
    page.route("**/api/movies?*", lambda route: held.append(route))
    with page.expect_request("**/api/movies?*"):
        search.fill("alien 5 (2010)")
    search.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    option.evaluate("option => { option.dataset.isOld = true }")

    held[0].continue_()
    expect(page.locator("#found li:not([data-is-old])")).to_have_count(1)
    expect(option).to_have_attribute("aria-selected", "true")
    expect(search).to_have_attribute("aria-activedescendant", "found-0")


@pytest.mark.parametrize("key", ["Escape", "Enter"])
def test_an_answer_that_comes_late_does_not_open_a_closed_list(
    page: Page, key: str
) -> None:
    search = page.get_by_role("combobox", name="Find a movie")
    search.fill("alien 5")
    option = page.get_by_role("option", name="Alien 5")
    expect(option).to_be_visible()

    held: list[Route] = []
    page.route("**/api/movies?*", lambda route: held.append(route))
    with page.expect_request("**/api/movies?*"):
        search.fill("alien 5 (2010)")
    search.press(key)
    expect(option).to_be_hidden()

    with page.expect_response("**/api/movies?*") as answered:
        held[0].continue_()
    answered.value.finished()
    # One more answer than the late one has been shown by then.
    page.unroute("**/api/movies?*")
    page.evaluate("fetch('/api/movies?text=alien').then(answer => answer.json())")
    expect(search).to_have_attribute("aria-expanded", "false")


def test_the_distribution_and_the_reasons_are_text(page: Page) -> None:
    bars = page.get_by_role("list", name="Predicted distribution")
    shares = [
        float(text.split("★")[1].removesuffix("%"))
        for text in bars.get_by_role("listitem").all_inner_texts()
    ]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=1)
    why = page.get_by_role("list", name="What moves the expected rating")
    expect(why.get_by_role("listitem").last).to_contain_text("all else")


def test_recommendations_follow_the_ratings_of_somebody_new(page: Page) -> None:
    expect(page.locator("#best-note")).to_contain_text("Nothing is rated yet")
    title = rate_first(page, "0.5")
    expect(page.get_by_role("list", name="Your ratings")).to_contain_text(title)
    expect(page.locator("#best")).not_to_contain_text(title)
    expect(page.locator("#best .moved").first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("12 recommendations")

    page.get_by_role("button", name=f"Remove {title}").click()
    expect(page.locator("#best-note")).to_contain_text("Nothing is rated yet")
    expect(page.get_by_role("combobox", name="Find a movie")).to_be_focused()


def to_rate(page: Page) -> Locator:
    return page.locator("#to-rate li")


def test_somebody_new_is_asked_about_movies_until_none_is_left(page: Page) -> None:
    expect(to_rate(page)).to_have_count(6)
    first = to_rate(page).first
    title = first.locator(".name").inner_text()
    first.get_by_role("combobox").select_option("4")
    expect(page.locator("#to-rate")).not_to_contain_text(title)
    expect(page.get_by_role("list", name="Your ratings")).to_contain_text(title)
    expect(to_rate(page)).to_have_count(6)

    for _ in range(12):
        shown = to_rate(page).first.locator(".name")
        unseen = shown.inner_text()
        page.get_by_role("button", name=f"Not seen: {unseen}", exact=True).click()
        expect(page.locator("#to-rate .name", has_text=unseen)).to_have_count(0)
    expect(page.locator("#to-rate-panel")).to_be_hidden()

    page.get_by_role("button", name="Start again").click()
    expect(to_rate(page)).to_have_count(6)
    page.get_by_role("radio", name="A user of the data").check(force=True)
    expect(page.locator("#to-rate-panel")).to_be_hidden()


def test_what_is_not_seen_is_said_by_keyboard_alone(page: Page) -> None:
    expect(to_rate(page)).to_have_count(6)
    first, second = page.locator("#to-rate .name").all_inner_texts()[:2]
    page.get_by_role("button", name=f"Not seen: {first}", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#to-rate .name").first).to_have_text(second)
    button = page.get_by_role("button", name=f"Not seen: {second}", exact=True)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#to-rate .name").first).not_to_have_text(second)


def test_the_shown_movie_is_rated_by_arrow_keys(page: Page) -> None:
    title = page.locator("#title").inner_text()
    before = page.locator("#expected").inner_text()
    page.locator("#stars input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    rated = page.get_by_role("list", name="Your ratings")
    expect(rated).to_contain_text(title)
    expect(rated).to_contain_text("1 ★")
    expect(page.locator("#expected")).not_to_have_text(before)


def test_filters_change_the_recommendations_at_once(page: Page) -> None:
    page.get_by_text("Genres: any").click()
    page.get_by_role("checkbox", name="Sci-Fi").check(force=True)
    expect(page.get_by_text("Genres: Sci-Fi")).to_be_visible()
    expect(recommended(page)).to_have_count(4)
    for kinds in page.locator("#best .kinds").all_inner_texts():
        assert "Sci-Fi" in kinds
    page.get_by_label("From").fill("2100")
    expect(page.locator("#best-note")).to_contain_text("No movie is left")
    expect(recommended(page)).to_have_count(0)


def test_a_user_of_the_data_is_shown_with_what_they_rated(page: Page) -> None:
    page.get_by_role("radio", name="A user of the data").check(force=True)
    favourites = page.get_by_role("list", name="Best rated by this user")
    expect(favourites.get_by_role("listitem").first).to_be_visible()
    expect(page.locator("#user-about")).to_contain_text("ratings in the data")
    favourites.get_by_role("button").first.click()
    expect(page.locator("#actual")).to_contain_text("In the data this user gave")
    expect(page.locator("#stars")).to_be_hidden()

    page.get_by_label("User id").fill("999999")
    page.keyboard.press("Tab")
    expect(page.locator("#user-about")).to_contain_text("an unknown one")
    expect(page.locator("#best-note")).to_contain_text("doesn't know this user")


def test_titles_with_markup_are_text(page: Page) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    expect(to_rate(page)).to_have_count(6)
    page.evaluate("title => showToRate({movies: [{movie_id: 1, title}]})", hostile)
    expect(page.get_by_role("button", name=hostile, exact=True)).to_be_visible()
    assert page.locator("img").count() == 0


def test_a_fault_is_said_and_goes_away(page: Page) -> None:
    page.evaluate("state.rated.set(1, {title: 'x', stars: 7}); refresh()")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("rating is 7")
    page.evaluate("state.rated.clear(); refresh()")
    expect(alert).to_be_hidden()
