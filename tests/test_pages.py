"""The pages on serving, phones and browsers: what they show runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from support.tiny import readable
from test_cli import invoke

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@readable
def test_the_python_of_the_phone(tmp_path, monkeypatch) -> None:
    text = (ROOT / "tutorials" / "phone.md").read_text("utf-8")
    (code,) = re.findall(r"this. -->\n```python\n(.*?)```", text, re.DOTALL)
    command, *_ = re.findall(r"tfvae (export \S+ --format litert --output .*)", text)
    arguments = command.replace("saved_models", str(ROOT / "saved_models")).split()
    monkeypatch.chdir(tmp_path)
    invoke(*arguments)
    names: dict = {}
    exec(code, names)
    assert names["mean"].shape == (1, 8, 8, 1)
    assert np.isfinite(names["nats"]).all()
