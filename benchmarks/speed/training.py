"""How fast models train: tfvae, and the same models in other packages.

    python benchmarks/speed/training.py dense mnist.npz --output training-dense.json

Each round is a whole number of epochs through a package's ordinary interface, what it
does between epochs included; the first round, in which programs are compiled, is not
counted. All rows start from the same weights (`conv`: from the same distribution) and
take the same number of steps, so that their losses agree but for the draws. Rows that
are called products or convolutions do nothing but these, forward and backward.
"""

import argparse
import dataclasses
from pathlib import Path

import harness
import report
from harness import Row


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows, the tasks that they are compared in, and the defaults of the command."""

    rows: tuple[Row, ...]
    task: dict
    batch_sizes: tuple[int, ...]
    examples: int = 60_000
    unit: str = "examples/s"


def keras_rows(peer: str, name: str, xla: bool = True) -> list[Row]:
    settings = {
        "defaults": {},
        "50 steps, no XLA": {"steps_per_execution": 50, "jit_compile": False},
        "50 steps, XLA": {"steps_per_execution": 50, "jit_compile": True},
    }
    if not xla:
        settings.popitem()
    return [
        Row(f"{name}, {label}", peer, {"options": options})
        for label, options in settings.items()
    ]


def ceilings(variant: str, *peers: tuple[str, str, dict]) -> list[Row]:
    return [
        Row(f"{variant}, {name}", peer, {"variant": variant, "options": given}, True)
        for name, peer, given in peers
    ]


PRODUCTS = ceilings(
    "products",
    ("PyTorch", "torch", {}),
    ("JAX", "jax", {}),
    ("TensorFlow", "tensorflow", {}),
    ("TensorFlow, XLA", "tensorflow", {"jit_compile": True}),
)
COMPILED = {"options": {"compile": True}}
FIT = Row("tfvae", "tfvae")


def bound(name: str, peer: str, objective: str, **options: object) -> Row:
    return Row(name, peer, {"objective": objective, "options": options})


TABLES = {
    "dense": Table(
        (
            FIT,
            Row("TensorFlow by hand", "tensorflow"),
            Row("JAX, scan", "jax"),
            Row("PyTorch", "torch"),
            Row("PyTorch, compiled", "torch", COMPILED),
            Row("Pythae", "pythae"),
            *keras_rows("keras", "Keras"),
            *keras_rows("tfp_layers", "tfp.layers", xla=False),
            *PRODUCTS,
        ),
        {},
        (100, 1000),
    ),
    "conv": Table(
        (
            FIT,
            *keras_rows("keras", "Keras", xla=False),
            Row("PyTorch", "torch"),
            *ceilings(
                "convolutions",
                ("TensorFlow", "tensorflow", {}),
                ("PyTorch", "torch", {}),
            ),
        ),
        {"network": "conv"},
        (128,),
        examples=20_000,
    ),
    "iwae": Table(
        (
            bound("tfvae", "tfvae", "reparameterized"),
            bound("tfvae, stl", "tfvae", "stl"),
            bound("tfvae, dreg", "tfvae", "dreg"),
            bound("JAX, scan", "jax", "reparameterized"),
            bound("JAX, scan, dreg", "jax", "dreg"),
            bound("PyTorch", "torch", "reparameterized"),
            bound("PyTorch, compiled", "torch", "reparameterized", compile=True),
            *PRODUCTS,
        ),
        {"samples": 50},
        (20, 100),
        examples=4_000,
        unit="draws of z/s",
    ),
    "mixed": Table(
        tuple(
            Row(policy, "tfvae", {"options": {"policy": policy}})
            for policy in ("float32", "mixed_bfloat16")
        ),
        {},
        (100, 1000),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    harness.add_options(parser, rounds=5)
    parser.add_argument("--batch-size", type=int, action="append")
    parser.add_argument("--width", type=int, action="append", help="default: 200")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--epochs", type=int, default=2, help="in a round; default: 2")
    settings = parser.parse_args()

    table = TABLES[settings.table]
    cases = {}
    for width in settings.width or (200,):
        for batch_size in settings.batch_size or table.batch_sizes:
            examples = settings.examples or table.examples
            images = harness.binary_images(settings.data, examples, batch_size)
            with images as (data, examples):
                task = {"variant": "train", "data": data, "batch_size": batch_size}
                task |= {"width": width, "epochs": settings.epochs} | table.task
                work = examples * settings.epochs * task.get("samples", 1)
                title = f"batch {batch_size}" + f", width {width}" * (width != 200)
                rows = harness.chosen(table.rows, settings.only)
                cases[title] = harness.measure(rows, task, work, settings)
            print(report.table(title, cases[title]["rows"], table.unit), flush=True)
            report.write(cases, settings)
    report.bars(cases, table.unit, settings.figure)


if __name__ == "__main__":
    main()
