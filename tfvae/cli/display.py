"""What the terminal shows: a few lines, a bar while training, and a table."""

from collections.abc import Mapping
from typing import Any

import keras
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

__all__ = ["EpochBar", "console", "note", "results"]

console = Console(highlight=False)


def note(topic: str, text: str) -> None:
    """Prints one line of what a run does."""
    console.print(f"[bold]{topic:<11}[/bold] ", end="")
    console.print(text, markup=False)


class EpochBar(keras.callbacks.Callback):
    """A progress bar over epochs, on a terminal only."""

    def __init__(self) -> None:
        """Makes the bar; `on_train_begin` shows it."""
        super().__init__()
        self._bar = Progress(
            TextColumn("[bold]training   [/bold]"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[elbo]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Starts the bar."""
        self._task = self._bar.add_task("", total=self.params["epochs"], elbo="")
        self._bar.start()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Moves on and shows the ELBO."""
        logs = logs or {}
        text = f"ELBO {logs.get('elbo', float('nan')):.2f}"
        if "val_elbo" in logs:
            text += f", test {logs['val_elbo']:.2f}"
        self._bar.update(self._task, advance=1, elbo=text)

    def close(self) -> None:
        """Ends the bar, after an interruption too."""
        self._bar.stop()


def results(title: str, test: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
    """Prints the table that ends a run.

    Args:
        title: Heading.
        test: The figures, as `metrics.json` holds them.
        seconds: Name of a stage to its time in seconds.
    """
    samples = f"{test['samples']:,} samples"
    rows = [
        ("ELBO", test["elbo"], "reconstruction - KL"),
        ("reconstruction", test["reconstruction"], "E_q[log p(x|z)]"),
        ("KL", test["kl"], "KL(q(z|x) || p(z))"),
        ("log p(x)", test["log_prob"], f"importance-weighted, {samples}"),
    ]
    if test["log_jacobian"]:
        shift = test["log_jacobian"]
        rows.append(("log p(x), unscaled", test["log_prob"] + shift, "in data units"))
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("test data" if test["part"] == "test" else "data")
    table.add_column("nats / example", justify="right")
    table.add_column("what it is", style="dim")
    for name, value, meaning in rows:
        table.add_row(name, f"{value:.3f}", escape(meaning))
    unreliable = test["unreliable_examples"]
    if unreliable is None:
        table.add_row("", "", "too few samples for pareto_k: may be too low")
    elif unreliable:
        share = f"{unreliable:,} of {test['examples']:,} examples"
        limit = test["pareto_k_limit"]
        table.add_row("", "", f"pareto_k > {limit:.2f} for {share}: may be too low")
    table.add_section()
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f} s", "")
    console.print(table)
