"""The page of an export in a real browser, next to the model it came from."""

import base64
import hashlib
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from support.browser import chromium, visit
from support.small import small_vae
from support.tiny import TINY, readable
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.cli.serving import serving
from tfvae.export.web import PAGE, export_web, is_web_export

ROOT = Path(__file__).parents[2]
SAMPLES = 16
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
NATS = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def digits():
    """The trained model that comes with the repository, and data it has not seen."""
    if readable.args[0]:
        pytest.skip(readable.kwargs["reason"])
    vae = keras.models.load_model(TINY / "model.keras")
    return vae, tfvae.datasets.load("digits").x_test[:12].astype(np.float32)


@pytest.fixture(scope="module")
def digits_page(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "digits"
    vae, x = digits
    differences = export_web(vae, folder, num_samples=SAMPLES, examples=x)
    assert max(differences.values()) <= 1
    with serving(folder) as server:
        yield folder, server


@pytest.fixture(scope="module")
def table_page(tmp_path_factory):
    """A model of six real numbers, without examples."""
    folder = tmp_path_factory.mktemp("web") / "table"
    export_web(small_vae(likelihood=tfvae.layers.Normal(6)), folder, SAMPLES)
    with serving(folder) as server:
        yield server


@pytest.fixture
def page(browser, digits_page):
    """The page of the digits, in which nothing may go wrong."""
    with visit(browser, digits_page[1].url) as visited:
        yield visited.open()
        assert not visited.wrong
        assert visited.hosts == {"127.0.0.1"}


def test_the_browser_computes_what_the_model_does(page, digits) -> None:
    vae, x = digits
    generator = np.random.default_rng(0)
    z = generator.normal(size=(200, 8)).astype(np.float32)
    many = generator.normal(size=(len(x), SAMPLES, 8)).astype(np.float32)

    decoded = page.run("decode", *({"z": one} for one in z))
    p = vae.decode(z)
    np.testing.assert_allclose(decoded["mean"], _rows(p.mean()), **CLOSE)
    np.testing.assert_allclose(decoded["logits"], _rows(p.distribution.logits), **CLOSE)

    encoded = page.run("encode", *({"x": one} for one in x))
    q = vae.encode(x)
    np.testing.assert_allclose(encoded["mean"], q.mean(), **CLOSE)
    np.testing.assert_allclose(encoded["stddev"], q.stddev(), **CLOSE)
    # LiteRT.js knows a tensor by one name: the page gives it all that it has.
    assert set(encoded) == {"mean", "loc", "stddev", "scale"}
    np.testing.assert_array_equal(encoded["loc"], encoded["mean"])
    reconstructed = page.run("reconstruct", *({"x": one} for one in x))
    np.testing.assert_allclose(
        reconstructed["mean"], _rows(vae.reconstruct(x)), **CLOSE
    )

    draws = q.mean()[:, None] + q.stddev()[:, None] * many
    likelihood = vae.decode(draws).log_prob(x[:, None]).numpy()
    log_q = tfd.MultivariateNormalDiag(q.mean()[:, None], q.stddev()[:, None])
    weights = likelihood + vae.prior.log_prob(draws) - log_q.log_prob(draws)
    found = page.run(
        "log_prob", *({"x": a, "noise_z": b} for a, b in zip(x, many, strict=True))
    )
    expected = logsumexp(weights, axis=1) - np.log(SAMPLES)
    np.testing.assert_allclose(found["log_prob"][:, 0], expected, **NATS)

    found = page.run(
        "elbo", *({"x": a, "noise_z": b[0]} for a, b in zip(x, many, strict=True))
    )
    kl = 0.5 * tf.reduce_sum(
        q.mean() ** 2 + q.variance() - 1 - tf.math.log(q.variance()), axis=-1
    )
    np.testing.assert_allclose(found["reconstruction"][:, 0], likelihood[:, 0], **NATS)
    np.testing.assert_allclose(found["kl"][:, 0], kl, **NATS)
    np.testing.assert_allclose(found["elbo"][:, 0], likelihood[:, 0] - kl, **NATS)


def test_wrong_calls_say_what_is_expected(page) -> None:
    ask = """async ([name, inputs]) => {
        try { await tfvae.run(name, inputs); } catch (error) { return error.message; }
    }"""
    message = page.page.evaluate(ask, ["decode", {"z": [1, 2]}])
    assert message == (
        "The input z of decode must have 8 numbers, shape [1,8]. Received: 2."
    )
    message = page.page.evaluate(ask, ["encode", {}])
    assert "The input x of encode must have 64 numbers" in message
    assert "There is no signature dream" in page.page.evaluate(ask, ["dream", {}])


def test_sliders_and_map_move_z_and_its_picture(page) -> None:
    def moved(action, what: str) -> str:
        before = page.picture("#decoded canvas")
        action()
        page.until(lambda: page.picture("#decoded canvas") != before, what)
        return page.text("#sliders")

    page.until(lambda: len(set(page.text("#sliders").split())) > 4, "the sliders")
    first = page.page.locator("#sliders input").first
    sliders = moved(lambda: first.fill(first.get_attribute("max")), "a slider")
    box = page.page.locator("#map").bounding_box()
    corner = (box["x"] + 0.1 * box["width"], box["y"] + 0.8 * box["height"])
    clicked = moved(lambda: page.page.mouse.click(*corner), "the map")
    assert clicked != sliders
    keyed = moved(lambda: page.page.keyboard.press("Shift+ArrowRight"), "a key")
    assert keyed != clicked
    drawn = moved(lambda: page.page.locator("#z-draw").click(), "a draw of z")
    assert drawn != keyed
    assert moved(lambda: page.page.locator("#z-example").click(), "q(z|x)") != drawn
    moved(lambda: page.page.locator("#z-mean").click(), "the prior's mean")
    values = [
        float(text) for text in page.page.locator("#sliders output").all_inner_texts()
    ]
    np.testing.assert_array_equal(values, np.zeros(8))


def test_drawing_changes_posterior_and_nats(page) -> None:
    nats, posterior = _nats(page), page.text("#posterior")
    picture = page.picture("#reconstruction canvas")
    box = page.page.locator("#input canvas").bounding_box()
    page.page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 150, box["y"] + 30, steps=4)
    page.page.mouse.up()
    page.until(lambda: page.text("#posterior") != posterior, "the posterior")
    page.until(
        lambda: page.picture("#reconstruction canvas") != picture, "reconstruction"
    )
    page.until(lambda: _nats(page) != nats, "the nats")
    assert not page.text("#input-problem")


def test_nats_are_those_of_the_same_draws(page, digits) -> None:
    """All numbers belong together, and more draws give no more than log p(x)."""
    vae, x = digits
    page.page.locator("#refine").click()
    page.until(lambda: "1,024 draws" in page.text("#log-prob-note"), "more draws")
    log_prob, elbo, reconstruction, kl, gap = _nats(page)
    assert elbo == pytest.approx(reconstruction - kl, abs=1e-3)
    assert gap == pytest.approx(log_prob - elbo, abs=1e-9)
    # The estimate of p(x) is unbiased: by Markov, 5 nats more come once in 148 times.
    highest = vae.log_prob(x[:1], 20_000, seed=0).numpy()[0] + 5
    assert elbo < log_prob < highest
    q = vae.encode(x[:1])
    np.testing.assert_allclose(kl, tfd.kl_divergence(q, vae.prior), rtol=1e-4)
    rows = vae.decode(q.sample(4000, seed=0)).log_prob(x[:1]).numpy()
    error = rows.std() * np.sqrt(1 / 1024 + 1 / 4000)
    assert abs(reconstruction - rows.mean()) < 5 * error


def test_draws_from_the_prior(page) -> None:
    samples = page.page.locator("#samples canvas")
    page.until(lambda: samples.count() == 32, "the first draws")
    before = samples.first.evaluate("canvas => canvas.toDataURL()")
    page.page.locator("#sample").click()
    page.until(
        lambda: samples.first.evaluate("canvas => canvas.toDataURL()") != before,
        "other draws",
    )
    posterior = page.text("#posterior")
    page.page.locator("#samples button").nth(3).click()
    page.until(lambda: page.text("#posterior") != posterior, "a draw as example")


def test_an_image_is_brought_into_the_support(page) -> None:
    ring = """<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60">
      <rect width="80" height="60" fill="white"/>
      <circle cx="40" cy="30" r="20" stroke="black" stroke-width="8" fill="none"/>
    </svg>"""
    before = page.picture("#input canvas")
    page.page.locator("#tools input[type=file]").set_input_files(
        {"name": "o.svg", "mimeType": "image/svg+xml", "buffer": ring.encode()}
    )
    page.until(lambda: page.picture("#input canvas") != before, "the image")
    assert "rounded to whole numbers" in page.text(".loaded")
    loaded = page.picture("#input canvas")
    page.page.get_by_label("invert").check()
    page.until(lambda: page.picture("#input canvas") != loaded, "the inversion")
    assert not page.text("#input-problem")
    page.page.locator("#tools input[type=file]").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": b"nothing"}
    )
    page.until(lambda: "x.png is no image" in page.text("#input-problem"), "the error")


@pytest.mark.parametrize("damage", ["cut", "zeros", "missing"])
def test_a_damaged_model_gives_an_error(browser, digits_page, damage) -> None:
    folder, server = digits_page
    content = (folder / "model.tflite").read_bytes()
    answers = {
        "cut": {"body": content[: len(content) // 2]},
        "zeros": {"body": bytes(len(content))},
        "missing": {"status": 404, "body": ""},
    }
    with visit(browser, server.url) as visited:
        visited.page.route(
            "**/model.tflite", lambda route: route.fulfill(**answers[damage])
        )
        visited.open()
        alert = visited.page.locator("#alert")
        alert.wait_for()
        assert "model.tflite" in alert.inner_text()
        assert not visited.page.locator("#page").is_visible()
        assert not visited.page.locator("#status").is_visible()


def test_a_table_has_fields(browser, table_page) -> None:
    with visit(browser, table_page.url) as visited:
        page = visited.open().page
        before = _nats(visited)
        fields = page.locator("#input input")
        assert fields.count() == 6
        fields.nth(2).fill("2.5")
        visited.until(lambda: _nats(visited) != before, "the nats")
        fields.nth(2).fill("")
        elbo = page.locator("#elbo[data-value]")
        visited.until(lambda: elbo.count() == 0, "no nats without a number")
        assert "value 2: a number is missing" in visited.text("#input-problem")
        rows = {"name": "rows.csv", "mimeType": "text/csv"}
        upload = page.locator("#tools input[type=file]")
        upload.set_input_files(rows | {"buffer": b"1,2,3,4,5,6\n6,5,4,3,2,1\n"})
        visited.until(lambda: page.locator("#picker button").count() == 2, "two rows")
        assert fields.nth(5).input_value() == "6"
        assert not visited.text("#input-problem")
        upload.set_input_files(rows | {"buffer": b"1,2,3\n"})
        visited.until(
            lambda: "row 1 has 3 values" in visited.text("#input-problem"), "an error"
        )
        decoded = visited.text("#decoded")
        page.locator("#z-draw").click()
        visited.until(lambda: visited.text("#decoded") != decoded, "decoded values")
        assert not visited.wrong
        assert visited.hosts == {"127.0.0.1"}


def test_latents_stay_on_their_sphere(browser, tmp_path) -> None:
    vae = small_vae(tfvae.layers.VonMisesFisher(3), tfvae.layers.Normal(6))
    export_web(vae, tmp_path / "web", SAMPLES)
    with serving(tmp_path / "web") as server, visit(browser, server.url) as visited:
        outputs = visited.open().page.locator("#sliders output")

        def squares() -> float:
            texts = [text.replace("\u2212", "-") for text in outputs.all_inner_texts()]
            return sum(float(text) ** 2 for text in texts)

        slider = visited.page.locator("#sliders input").first
        for value in ("0.3", "-0.9", "1"):
            slider.fill(value)
            assert squares() == pytest.approx(1, abs=0.01)
        _nats(visited)
        assert visited.text("#posterior")
        assert not visited.wrong


def test_the_page_of_the_tutorial_runs(browser, digits_page) -> None:
    text = (ROOT / "tutorials" / "browser.md").read_text("utf-8")
    (own,) = re.findall(r"^```html\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    with visit(browser, digits_page[1].url + "own.html") as visited:
        visited.page.route(
            "**/own.html",
            lambda route: route.fulfill(body=own, content_type="text/html"),
        )
        visited.page.goto(visited.url)
        said = r"log p\(x\) = -\d+\.\d nats"
        visited.until(lambda: re.fullmatch(said, visited.text("#nats")), "the nats")
        # LiteRT talks to the console where nobody tells it not to.
        assert not [it for it in visited.wrong if not it.startswith("console: ")]


def test_the_page_fits_a_phone(browser, digits_page) -> None:
    with visit(browser, digits_page[1].url, color_scheme="dark") as visited:
        visited.page.set_viewport_size({"width": 360, "height": 740})
        visited.open()
        width = visited.page.evaluate("document.documentElement.scrollWidth")
        assert width == 360


def test_a_folder_is_never_overwritten(digits, tmp_path) -> None:
    vae, x = digits
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        export_web(vae, kept)
    with pytest.raises(ValueError, match="name a folder"):
        export_web(vae, tmp_path / "page.html")
    with pytest.raises(ValueError, match=r"of the shape \[N, 8, 8, 1\]"):
        export_web(vae, tmp_path / "web", examples=x[0])
    with pytest.raises(ValueError, match="whole numbers from 0 to 16"):
        export_web(vae, tmp_path / "web", examples=x + 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert not is_web_export(kept)


def test_without_litert_js_it_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("tfvae.export.web.PAGE", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Install Node\.js"):
        export_web(small_vae(), tmp_path / "web")


def test_the_export_is_complete(digits_page) -> None:
    folder, _ = digits_page
    assert is_web_export(folder)
    assert not (folder / "package.json").exists()
    description = json.loads((folder / "model.json").read_text("utf-8"))
    assert description["name"] == "digits"
    assert description["num_samples"] == SAMPLES
    assert len(description["examples"]) == len(description["means"]) == 12
    assert description["signatures"]["log_prob"]["inputs"] == {
        "x": [1, 8, 8, 1],
        "noise_z": [SAMPLES, 1, 8],
    }
    assert description["signatures"]["sample"]["noise"] == {
        "noise_z": "normal",
        "noise_x": "uniform",
    }
    assert sorted(description["z"]["order"]) == list(range(8))


def test_the_policy_allows_the_import_map_and_nothing_else_inline() -> None:
    text = (PAGE / "index.html").read_text("utf-8")
    (inline,) = re.findall(r"<script[^>]*>([^<]+)</script>", text)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy


def test_the_lock_names_no_address() -> None:
    lock = (PAGE / "package-lock.json").read_text("utf-8")
    assert "://" not in lock
    packages = json.loads(lock)["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)


def _rows(values) -> np.ndarray:
    array = np.asarray(values)
    return array.reshape(len(array), -1)


def _nats(visited) -> list[float]:
    """The five numbers of the page, once they are there."""
    cells = ["#log-prob", "#elbo", "#reconstruction-nats", "#kl", "#gap"]
    locate = visited.page.locator
    settled = "body:not(.measuring) #gap[data-value]"
    visited.until(lambda: locate(settled).count() == 1, "the nats")
    return [float(locate(cell).get_attribute("data-value")) for cell in cells]
