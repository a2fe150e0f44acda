"""Families with one logit for each element."""

from support.cases.base import Case
from support.families import logits

import tfvae


def _binomial(total_count: int) -> Case:
    return Case(
        f"binomial-{total_count}",
        tfvae.layers.Binomial,
        {"total_count": total_count},
        lambda size, _: logits.Binomial(size, total_count),
        outside=(-1.0, 0.5, total_count + 1.0),
        ends=(0.0, total_count),
    )


CASES = [
    Case(
        "bernoulli",
        tfvae.layers.Bernoulli,
        {},
        lambda size, _: logits.Bernoulli(size),
        outside=(-1.0, 0.5, 1.0 + 1e-6, 2.0, 255.0),
    ),
    Case(
        "continuous-bernoulli",
        tfvae.layers.ContinuousBernoulli,
        {},
        lambda size, _: logits.ContinuousBernoulli(size),
        outside=(-1e-6, 1.0 + 1e-6, 255.0),
    ),
    _binomial(16),
    _binomial(255),
    _binomial(1000),
]
