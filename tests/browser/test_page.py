"""The search page in a real browser, over a small run in service."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from model_fakes import small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.shop import Shop
from smar.retrieval.publishing import write_generation
from smar.serving.app import create_app
from smar.serving.config import ServeConfig

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = '<img src=x onerror="window.ran = true">'

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; install it (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    shop = write_shop(folder / "shop", copies=4)
    table = shop.catalog.table.with_columns(
        title=pl.when(pl.col("item_id") == "cable-1").then(pl.lit(EVIL)).otherwise("title"),
        category=pl.col("item_id").str.extract(r"^(\w+)-"),
    )
    shop = Shop(shop.folder, Catalog.from_table(table, shop.folder))
    model = small_model(cache=folder / "cache")
    model.save(folder / "run" / "model")
    write_generation(folder / "run", model, shop.catalog, log=shop.clicks())
    other = small_model(cache=folder / "cache", seed=1)
    other.save(folder / "other" / "model")
    write_generation(folder / "other", other, shop.catalog)
    app = create_app(folder / "run", ServeConfig(beside=(folder / "other",)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page whose console must stay silent: no script error, nothing that the content security policy blocked."""
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 800})
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert [text for text in said if "Failed to load resource" not in text] == []


def test_a_search_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("status")).to_contain_text("drop a photo")
    page.keyboard.press("/")
    page.keyboard.type("red", delay=20)
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("red")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    chosen = options.first.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(40)
    expect(page.get_by_role("combobox", name="Search products")).to_have_value(chosen)
    expect(page.get_by_role("status")).to_contain_text("says the gate")
    assert page.title().startswith(chosen)
    page.get_by_role("button", name="More").click()
    expect(page.locator(".card")).to_have_count(56)
    page.go_back()
    expect(page.get_by_role("status")).to_contain_text("drop a photo")


def test_the_address_holds_what_is_asked(page: Page) -> None:
    page.goto("/?q=red+shirt&image=never&category=mug")
    expect(page.locator(".card").first).to_contain_text("mug")
    expect(page.locator("#image")).to_have_value("never")
    expect(page.get_by_role("status")).to_contain_text("Text alone")
    page.get_by_role("button", name="mug", exact=False).first.click()  # the facet, pressed: it is let go
    expect(page).not_to_have_url(re.compile("category"))
    page.get_by_role("button", name=re.compile("^shirt")).first.click()
    expect(page).to_have_url(re.compile("category=shirt"))
    expect(page.locator(".card").first).to_contain_text("shirt")


def test_a_slip_is_corrected_and_can_be_asked_for_as_it_was_typed(page: Page) -> None:
    page.goto("/?q=red+shrit")
    status = page.get_by_role("status")
    expect(status).to_contain_text("Shown is what fits “red shirt”")
    expect(page.locator(".card").first).to_contain_text("shirt")
    page.get_by_role("button", name="Search for “red shrit” instead").click()
    expect(status).not_to_contain_text("Shown is what fits")
    expect(page).to_have_url(re.compile("exact=1"))
    page.get_by_role("combobox", name="Search products").fill("blue shrit")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Shown is what fits “blue shirt”")
    expect(page).not_to_have_url(re.compile("exact"))
    page.go_back()
    expect(page.get_by_role("combobox", name="Search products")).to_have_value("red shrit")
    page.go_back()
    expect(status).to_contain_text("Shown is what fits “red shirt”")


def test_with_and_without_pictures_side_by_side(page: Page) -> None:
    page.goto("/?q=blue+dress")
    expect(page.locator(".card")).to_have_count(40)
    page.get_by_label("Side by side").select_option(label="without and with pictures")
    sides = page.locator(".sides section")
    expect(sides).to_have_count(2)
    for side in (sides.first, sides.last):
        expect(side.locator(".card")).to_have_count(20)
    common = re.search(r"both lists have (\d+)", page.get_by_role("status").inner_text())
    assert common is not None
    for side in (sides.first, sides.last):
        assert side.locator(".only-here").count() == 20 - int(common[1])


def test_two_runs_side_by_side(page: Page) -> None:
    page.goto("/?q=blue+dress&image=never")
    page.get_by_label("Side by side").select_option(label="run and other")
    expect(page).to_have_url(re.compile("compare=run%3Aother"))
    expect(page.locator(".sides h2")).to_have_text(["run", "other"])
    titles = [side.locator(".card").all_inner_texts() for side in page.locator(".sides section").all()]
    assert len(titles[0]) == len(titles[1]) == 20
    assert titles[0] != titles[1]
    page.reload()
    expect(page.locator(".sides h2")).to_have_text(["run", "other"])


def test_an_item_is_explained_and_closed_by_escape(page: Page) -> None:
    page.goto("/?q=red+shirt")
    page.locator(".card", has_text="shirt number").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_contain_text("shirt number")
    expect(dialog).to_contain_text("Why it is found for “red shirt”")
    assert "[object" not in dialog.inner_text()
    assert dialog.locator("canvas").evaluate("canvas => [canvas.width, canvas.height]") == [3, 3]
    photo = dialog.locator(".overlay img")
    expect(photo).to_have_js_property("naturalWidth", 30)
    expect(dialog.locator(".grid .card")).to_have_count(6)
    dialog.locator(".grid .card").first.click()
    expect(dialog.locator(".grid .card")).to_have_count(6)
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_a_photo_searches(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    photo = write_shop(tmp_path / "shop", copies=1).folder / "images" / "mug-blue-0.png"
    page.set_input_files("#photo", photo)
    expect(page.get_by_role("status")).to_contain_text("Items that look like mug-blue-0.png")
    expect(page.locator(".card")).to_have_count(40)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.set_input_files("#photo", tmp_path / "broken.png")
    expect(page.get_by_role("status")).to_contain_text("the photo cannot be read")


def test_nothing_found_and_errors_say_what_to_do(page: Page) -> None:
    page.goto("/?q=zzzz&mode=lexical")
    expect(page.get_by_role("status")).to_contain_text("Nothing was found")
    page.route("**/v1/search", lambda route: route.abort())
    page.goto("/?q=shirt")
    expect(page.get_by_role("status")).to_contain_text("cannot be reached")
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card")).to_have_count(40)
    busy = '{"error": {"code": "overloaded", "message": "too many requests wait", "request_id": "x"}}'
    page.route(
        "**/v1/search",
        lambda route: route.fulfill(
            status=503, body=busy, headers={"Retry-After": "3", "Content-Type": "application/json"}
        ),
    )
    page.goto("/?q=mug")
    expect(page.get_by_role("status")).to_contain_text("too many requests wait It asks to come again in 3 s")


def test_a_slow_answer_shows_that_something_comes(page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/search", lambda route: held.append(route))
    page.goto("/?q=shirt")
    expect(page.locator(".skeleton li").first).to_be_attached()
    held[0].continue_()
    expect(page.locator(".card img").first).to_be_visible()


def test_what_a_title_says_never_runs(page: Page) -> None:
    page.goto("/?q=cable")
    expect(page.locator(".card", has_text="onerror")).to_have_count(1)
    page.locator(".card", has_text="onerror").click()
    expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text(EVIL)
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1200])
def test_people_of_all_abilities_can_use_it(page: Page, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in ("/", "/?q=red+shirt", "/?q=red+shrit", "/?q=red+shirt&compare=pictures"):
        page.goto(path)
        expect(page.get_by_role("status")).not_to_be_empty()
        if "q=" in path:
            expect(page.locator(".card").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        _no_serious_findings(page)
    page.locator(".card").first.click()
    expect(page.get_by_role("dialog").locator(".grid .card").first).to_be_visible()
    _no_serious_findings(page)


def _no_serious_findings(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious]
