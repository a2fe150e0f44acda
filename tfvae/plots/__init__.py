"""Figures of what a model learned, for images and for tables.

Every function returns a `matplotlib.figure.Figure` that belongs to no window and
touches no global state; save it with `figure.savefig("name.png")`.
"""

from tfvae.plots.figures import latent, reconstructions, report, samples, training

__all__ = ["latent", "reconstructions", "report", "samples", "training"]
