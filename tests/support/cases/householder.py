"""Normals with a Householder flow."""

from support.cases.base import Case
from support.families import householder

import tfvae

CASES = [
    Case(
        "householder-flow",
        tfvae.layers.HouseholderFlow,
        {"num_reflections": 3},
        lambda size, _: householder.Householder(size, 3),
        smallest=2,
        image=False,
        rounding=1e-4,
    )
]
