"""The Python example of the README runs, and what it links to exists."""

import re
import warnings
from pathlib import Path

import numpy as np

import tfvae

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_runs(tmp_path, monkeypatch) -> None:
    parts = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    example, two_stages, objectives, ship, evidence = parts
    images = np.random.default_rng(0).integers(0, 2, (40, 28, 28, 1))
    names = {"x": images[:20], "x_val": images[20:30], "x_test": images[30:]}
    monkeypatch.chdir(tmp_path)
    exec(example, names)
    assert isinstance(names["vae"], tfvae.VAE)
    exec(two_stages, names)
    assert np.all(np.isfinite(names["better"].elbo(images)))
    exec(objectives, names)
    names["vae"].fit(names["x"], verbose=0)
    with warnings.catch_warnings():
        # A model that is hardly trained may well get the warning of `pareto_k`.
        warnings.simplefilter("ignore", UserWarning)
        exec(evidence, names)
    assert np.all(names["found"].standard_error > 0)
    exec(ship, names)
    assert {path.name for path in tmp_path.iterdir()} == {
        "vae.keras",
        "digits",
        "digits.tflite",
        "models",
        "digits_onnx",
        "site",
    }


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not link.startswith("http")]
    assert len(local) > 5
    assert [link for link in local if not (ROOT / link).exists()] == []
