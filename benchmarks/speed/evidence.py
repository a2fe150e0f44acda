"""How fast log p(x) is measured by importance weighting: tfvae and others.

    python benchmarks/speed/evidence.py mnist.npz --output evidence.json

The networks are the MLP of the IWAE paper, 784-200-200-50, with the same random weights
in all rows, so that their means of log p(x) agree but for the draws. The others take
one image after the other, and the number of draws at once that the name tells, or all.
"""

import argparse
from pathlib import Path

import harness
import report
from harness import Row


def row(name: str, peer: str, **options: object) -> Row:
    chunk = f", {options['chunk']} at once" if "chunk" in options else ""
    return Row(name + chunk, peer, {"options": options})


ROWS = (
    row("tfvae", "tfvae"),
    row("JAX", "jax"),
    row("JAX", "jax", chunk=1000),
    row("JAX", "jax", chunk=250),
    row("TensorFlow by hand", "tensorflow", chunk=1000),
    row("TensorFlow by hand, XLA", "tensorflow", chunk=1000, jit_compile=True),
    row("PyTorch", "torch", chunk=1000),
    row("PyTorch, compiled", "torch", chunk=1000, compile=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--samples", type=int, default=5000)
    harness.add_options(parser, rounds=7)
    settings = parser.parse_args()

    with harness.binary_images(settings.data, settings.images) as (data, images):
        task = {"variant": "evidence", "data": data, "images": images}
        task["samples"] = settings.samples
        title = f"{images} images, {settings.samples} draws each"
        rows = harness.chosen(ROWS, settings.only)
        case = harness.measure(rows, task, images * settings.samples, settings)
    print(report.table(title, case["rows"], "draws/s", value="log p(x)"))
    report.write({title: case}, settings)
    report.bars({title: case}, "draws/s", settings.figure)


if __name__ == "__main__":
    main()
