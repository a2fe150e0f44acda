"""The Python example of the README runs, and what it links to exists."""

import re
from pathlib import Path

import numpy as np

import tfvae

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_runs(tmp_path, monkeypatch) -> None:
    example, two_stages = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    images = np.random.default_rng(0).integers(0, 2, (40, 28, 28, 1))
    names = {"x": images[:20], "x_val": images[20:30], "x_test": images[30:]}
    monkeypatch.chdir(tmp_path)
    exec(example, names)
    assert isinstance(names["vae"], tfvae.VAE)
    exec(two_stages, names)
    assert np.all(np.isfinite(names["better"].elbo(images)))
    assert {path.name for path in tmp_path.iterdir()} == {
        "vae.keras",
        "digits",
        "digits.tflite",
    }


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not link.startswith("http")]
    assert len(local) > 5
    assert [link for link in local if not (ROOT / link).exists()] == []
