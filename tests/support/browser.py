"""A headless Chromium that notes what a page does wrong and whom it asks."""

import contextlib
import dataclasses
import shutil
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["Visit", "chromium", "visit"]

SECONDS = 20

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# LiteRT.js looks for a GPU, of which there is none here, and says so.
EXPECTED = ("No available adapters", "Failed to create default WebGPU device")

RUN = """async ([signature, calls]) => {
    const outputs = [];
    for (const inputs of calls) {
        const found = await tfvae.run(signature, inputs);
        const lists = Object.entries(found).map(([k, v]) => [k, Array.from(v)]);
        outputs.push(Object.fromEntries(lists));
    }
    return outputs;
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Starts the Chromium of this computer, or skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextlib.contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator["Visit"]:
    """Makes a page for an address, which `Visit.open` goes to."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(1000 * SECONDS)
    yield Visit(context.new_page(), url)
    context.close()


@dataclasses.dataclass
class Visit:
    """A page with what went wrong in it, and the hosts that it asked."""

    page: Page
    url: str
    wrong: list[str] = dataclasses.field(default_factory=list)
    hosts: set[str | None] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        page, note = self.page, self.wrong.append

        def console(message: Any) -> None:
            if message.type in ("error", "warning") and not any(
                expected in message.text for expected in EXPECTED
            ):
                note(f"console: {message.text}")

        def answered(response: Any) -> None:
            if response.status >= 400:
                note(f"{response.status}: {response.url}")

        def asked(request: Any) -> None:
            address = urllib.parse.urlsplit(request.url)
            if address.scheme not in ("blob", "data"):
                self.hosts.add(address.hostname)

        page.on("console", console)
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("requestfailed", lambda request: note(f"failed: {request.url}"))
        page.on("response", answered)
        page.on("request", asked)

    def open(self) -> "Visit":
        """Goes to the page and waits until the model is there, or an error."""
        self.page.goto(self.url)
        shown = "#page:not([hidden]), #alert:not([hidden])"
        self.page.locator(shown).first.wait_for()
        return self

    def run(self, signature: str, *calls: dict[str, Any]) -> dict[str, np.ndarray]:
        """Calls a signature in the page, once for each dict of inputs."""
        flat = [
            {key: np.ravel(value).tolist() for key, value in inputs.items()}
            for inputs in calls
        ]
        found = self.page.evaluate(RUN, [signature, flat])
        return {key: np.array([one[key] for one in found]) for key in found[0]}

    def picture(self, selector: str) -> str:
        """Returns what a canvas shows, to compare it."""
        return self.page.locator(selector).evaluate("canvas => canvas.toDataURL()")

    def text(self, selector: str) -> str:
        """Returns the text of an element."""
        return self.page.locator(selector).inner_text()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits until something is true.

        The page may not evaluate strings, which is how Playwright itself would wait.
        """
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"not in {SECONDS} s: {what}"
            self.page.wait_for_timeout(20)
