"""The layers of counts."""

from typing import Any

from support.cases.base import Case
from support.families import counts

import tfvae

ENDS = (0.0, 1.0, 1e6)
OUTSIDE = (-1.0, 0.5, 2.0**-20)


def _poisson(name: str, cls: Any, family: Any, **arguments: Any) -> Case:
    return Case(
        name,
        cls,
        arguments,
        lambda size, _: family(size, **arguments),
        outside=OUTSIDE,
        ends=ENDS,
    )


def _overdispersed(name: str, cls: Any, family: Any, **arguments: Any) -> Case:
    return Case(
        name,
        cls,
        arguments,
        lambda size, layer: family(size, **arguments, layer=layer),
        outside=OUTSIDE,
        ends=ENDS,
    )


CASES = [
    _poisson("poisson", tfvae.layers.Poisson, counts.Poisson),
    _poisson(
        "poisson-observed",
        tfvae.layers.Poisson,
        counts.Poisson,
        library_size="observed",
    ),
    _poisson(
        "zero-inflated-poisson",
        tfvae.layers.ZeroInflatedPoisson,
        counts.ZeroInflatedPoisson,
    ),
    _poisson(
        "zero-inflated-poisson-observed",
        tfvae.layers.ZeroInflatedPoisson,
        counts.ZeroInflatedPoisson,
        library_size="observed",
    ),
    _overdispersed(
        "negative-binomial", tfvae.layers.NegativeBinomial, counts.NegativeBinomial
    ),
    _overdispersed(
        "negative-binomial-shared",
        tfvae.layers.NegativeBinomial,
        counts.NegativeBinomial,
        dispersion="shared",
        library_size="observed",
    ),
    _overdispersed(
        "zero-inflated-negative-binomial",
        tfvae.layers.ZeroInflatedNegativeBinomial,
        counts.ZeroInflatedNegativeBinomial,
    ),
    _overdispersed(
        "zero-inflated-negative-binomial-shared",
        tfvae.layers.ZeroInflatedNegativeBinomial,
        counts.ZeroInflatedNegativeBinomial,
        dispersion="shared",
        library_size="observed",
    ),
]
