"""Runs the command line as `python -m tfvae`."""

from tfvae.cli import app

if __name__ == "__main__":
    app(prog_name="tfvae")
