"""Distributions on the sphere."""

from support.cases.base import Case
from support.families import sphere

import tfvae

CASES = [
    Case(
        "von-mises-fisher",
        tfvae.layers.VonMisesFisher,
        {},
        lambda size, _: sphere.VonMisesFisher(size),
        outside=(-1.0, 0.5, 1.0, 2.0, 255.0),
        elementwise=False,
        ends=((1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.6, 0.8)),
        smallest=2,
        image=False,
        rounding=3e-5,
        steps=200,
    )
]
