"""Normal distributions."""

from support.cases.base import Case
from support.families import gaussian

import tfvae


def _normal(scale: str | float) -> Case:
    return Case(
        f"normal-{scale}",
        tfvae.layers.Normal,
        {"scale": scale},
        lambda size, _: gaussian.Normal(size, scale),
    )


CASES = [
    _normal("elementwise"),
    _normal("shared"),
    _normal(0.3),
    _normal("optimal"),
    Case(
        "multivariate-normal",
        tfvae.layers.MultivariateNormalTriL,
        {},
        lambda size, _: gaussian.MultivariateNormalTriL(size),
        smallest=2,
        image=False,
        rounding=1e-4,
        widest=1.7,  # a wider spread makes L as singular as the oracle's precision
    ),
]
