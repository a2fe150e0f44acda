"""The command line: `tfvae train | evaluate | sample | export`."""

try:
    from tfvae.cli.main import app
except ModuleNotFoundError as error:
    if error.name not in ("typer", "rich"):
        raise
    raise SystemExit(
        f"The command line needs {error.name}: pip install 'tfvae[cli]'."
    ) from error

__all__ = ["app"]
