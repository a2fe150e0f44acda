"""The layers of positive numbers and of numbers from 0 to 1."""

from support.cases.base import Case
from support.families import positive

import tfvae

CASES = [
    Case(
        "gamma",
        tfvae.layers.Gamma,
        {},
        lambda size, _: positive.Gamma(size),
        inside=(0.5, 1.0),
        outside=(-1.0, 0.0),
        ends=(1e-30, 1.0, 1e6),
    ),
    Case(
        "beta",
        tfvae.layers.Beta,
        {},
        lambda size, _: positive.Beta(size),
        inside=(0.5, 0.25),
        outside=(-1e-6, 0.0, 1.0, 1.0 + 1e-6),
        ends=(1e-30, 0.5, 1 - 2.0**-23),
        widest=0.5,  # float32 has few numbers where draws crowd at one
    ),
]
