"""The commands and their flags. What they do is imported when they run."""

import math
import pathlib
from importlib import metadata
from typing import Annotated, Any, Literal

import typer

from tfvae.cli.group import OneSentence
from tfvae.cli.options import parse_sizes

__all__ = ["app"]

DATA, MODEL, TRAINING, RESULT = "Data", "Model", "Training", "Result"
LITERT, SERVING = "LiteRT", "Serving"

app = typer.Typer(
    cls=OneSentence,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)

Likelihood = Literal["auto", "bernoulli", "binomial", "continuous_bernoulli", "normal"]
DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, mnist, fashion_mnist, or a .npz or .npy file.",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    pathlib.Path,
    typer.Argument(
        metavar="MODEL",
        help="A folder that `tfvae train` wrote, a version in it, or a .keras file.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of all noise.")]
EvidenceSamples = Annotated[
    int, typer.Option(min=2, help="Importance samples per example for log p(x).")
]


@app.callback()
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
) -> None:
    """Train, measure, sample and export variational autoencoders."""
    if version:
        typer.echo(f"tfvae {metadata.version('tfvae')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    data: DataArgument,
    network: Annotated[
        Literal["mlp", "conv"],
        typer.Option(rich_help_panel=MODEL, help="Kind of the two networks."),
    ] = "mlp",
    hidden: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=MODEL,
            metavar="SIZES",
            help="Units of the dense layers of the encoder: 200,200.",
        ),
    ] = None,
    filters: Annotated[
        str,
        typer.Option(
            rich_help_panel=MODEL, metavar="SIZES", help="Filters of the convolutions."
        ),
    ] = "32,64",
    activation: Annotated[
        Literal["tanh", "relu", "gelu", "silu", "elu", "softplus"] | None,
        typer.Option(
            rich_help_panel=MODEL,
            help="Activation of all hidden layers.",
        ),
    ] = None,
    latent: Annotated[
        int | None,
        typer.Option(rich_help_panel=MODEL, min=1, help="Number of latent units."),
    ] = None,
    likelihood: Annotated[
        Likelihood,
        typer.Option(rich_help_panel=MODEL, help="p(x|z); auto looks at the values."),
    ] = "auto",
    beta: Annotated[
        float,
        typer.Option(
            rich_help_panel=TRAINING, min=0.0, help="Weight of the KL in training."
        ),
    ] = 1.0,
    binarize: Annotated[
        Literal["dynamic", "static", "none"] | None,
        typer.Option(
            rich_help_panel=DATA,
            help="Draw grey values as 0 or 1: anew each epoch, once, or not at all. "
            "Default: dynamic for grey images, none for the rest.",
        ),
    ] = None,
    scale: Annotated[
        Literal["auto", "none", "unit", "standardize"],
        typer.Option(
            rich_help_panel=DATA,
            help="Scale values by the largest possible one (unit) or to mean 0 and "
            "variance 1.",
        ),
    ] = "auto",
    epochs: Annotated[
        int | None,
        typer.Option(rich_help_panel=TRAINING, min=1, help="Passes over the data."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(rich_help_panel=TRAINING, min=1, help="Examples per update."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=TRAINING, min=1e-8, max=1.0, help="Of Adam, at the start."
        ),
    ] = None,
    schedule: Annotated[
        Literal["cosine", "constant"],
        typer.Option(rich_help_panel=TRAINING, help="Course of the learning rate."),
    ] = "cosine",
    evidence_samples: EvidenceSamples = 1000,
    seed: Seed = 0,
    output: Annotated[
        pathlib.Path,
        typer.Option(
            "--output", "-o", rich_help_panel=RESULT, help="Folder of all models."
        ),
    ] = pathlib.Path("saved_models"),
    name: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=RESULT,
            help="Folder of this model; the name of the data by default.",
        ),
    ] = None,
) -> None:
    """Train a VAE on DATA, measure it on the test part, and save and export it.

    What has no default follows the number of training examples.
    """
    if not math.isfinite(beta):
        raise typer.BadParameter(f"{beta} is not a number.", param_hint="--beta")
    flags: dict[str, Any] = {
        "network": network,
        "hidden": None if hidden is None else _sizes("--hidden", hidden),
        "filters": _sizes("--filters", filters),
        "activation": activation,
        "latent": latent,
        "likelihood": likelihood,
        "beta": beta,
        "binarize": binarize,
        "scale": scale,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "evidence_samples": evidence_samples,
        "seed": seed,
    }
    from tfvae.cli.training import run

    run(data, flags, output, name)


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    part: Annotated[
        Literal["test", "train", "all"], typer.Option(help="Examples to measure.")
    ] = "test",
    evidence_samples: EvidenceSamples = 1000,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Default: that of the training run."),
    ] = None,
) -> None:
    """Measure a saved MODEL on DATA, prepared as in its training run."""
    from tfvae.cli.reuse import evaluate as run

    run(model, data, part, evidence_samples, seed)


@app.command()
def sample(
    model: ModelArgument,
    output: Annotated[
        pathlib.Path,
        typer.Option(
            "--output", "-o", help="A .npy file for numbers, or a .png for a picture."
        ),
    ] = pathlib.Path("samples.npy"),
    count: Annotated[int, typer.Option("--count", "-n", min=1)] = 64,
    mean: Annotated[
        bool, typer.Option("--mean", help="Write E[x|z] instead of draws from p(x|z).")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Draw from a saved MODEL, in the units of its data."""
    from tfvae.cli.reuse import sample as run

    run(model, output, count, mean, seed)


@app.command()
def export(
    model: ModelArgument,
    output: Annotated[
        pathlib.Path, typer.Option("--output", "-o", help="What to write.")
    ],
    format: Annotated[
        Literal["tf_saved_model", "litert", "onnx", "web"],
        typer.Option(help="A SavedModel, a .tflite file, ONNX files, or a web page."),
    ] = "tf_saved_model",
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Compare with the model on DATA, too."),
    ] = None,
    num_samples: Annotated[
        int, typer.Option("--samples", min=1, help="Samples of `log_prob`.")
    ] = 64,
    batch_size: Annotated[
        int | None,
        typer.Option(rich_help_panel=LITERT, min=1, help="Examples per call. [1]"),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "dynamic_int8", "int8"] | None,
        typer.Option(rich_help_panel=LITERT, help="Of its numbers. [float32]"),
    ] = None,
    max_elbo_loss: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=LITERT, help="Nats that the precision may cost. [1]"
        ),
    ] = None,
    noise: Annotated[
        Literal["input", "internal"] | None,
        typer.Option(
            rich_help_panel=LITERT,
            help="Who draws: the caller or the runtime. [input]",
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option(
            "--table",
            rich_help_panel=LITERT,
            help="Show size, time and ELBO of every precision on DATA.",
        ),
    ] = False,
    serving_default: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=SERVING,
            metavar="SIGNATURE",
            help="What requests without a name get. [reconstruct]",
        ),
    ] = None,
    warmup: Annotated[
        bool,
        typer.Option(
            "--warmup",
            rich_help_panel=SERVING,
            help="Write requests that a server plays before it serves.",
        ),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            rich_help_panel=SERVING,
            help="Add signatures that take bytes as they are stored.",
        ),
    ] = False,
) -> None:
    """Export a saved MODEL with its named signatures."""
    from tfvae.cli.exporting import export as run

    if raw and format != "tf_saved_model":
        raise typer.BadParameter("only a SavedModel has it.", param_hint="--raw")
    if table and format != "litert":
        raise typer.BadParameter("only litert has precisions.", param_hint="--table")
    given = {
        "batch_size": batch_size,
        "precision": precision,
        "max_elbo_loss": max_elbo_loss,
        "noise": noise,
        "serving_default": serving_default,
        "warmup": warmup or None,
        "num_samples": num_samples,
    }
    options = {name: value for name, value in given.items() if value is not None}
    run(model, output, format, data, raw, table, options)


@app.command()
def inspect(
    path: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="PATH",
            help="A .keras, .tflite or .onnx file, or the folder of a SavedModel, of "
            "ONNX files, of a page or of a model.",
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for other programs.")
    ] = False,
) -> None:
    """Show the signatures, sizes, checks and origin of an artefact."""
    from tfvae.cli.inspection import inspect as run

    run(path, as_json)


@app.command()
def explore(
    model: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="MODEL",
            help="A folder that `tfvae train` wrote, a version in it, a .keras file, "
            "or a page that was exported.",
            show_default=False,
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Examples to begin with, prepared as in the training run. "
            "Default: the digits, or draws.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 takes a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page.")
    ] = True,
) -> None:
    """Explore a saved MODEL, or a page exported from one, in the browser."""
    from tfvae.cli.explore import explore as run

    run(model, port, browser, data)


def _sizes(flag: str, text: str) -> tuple[int, ...]:
    try:
        return parse_sizes(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from error
