"""Normal distributions with a low-rank part of the covariance."""

from support.cases.base import Case
from support.families import low_rank

import tfvae


def _low_rank(rank: int) -> Case:
    return Case(
        f"multivariate-normal-low-rank-{rank}",
        tfvae.layers.MultivariateNormalLowRank,
        {"rank": rank},
        lambda size, _: low_rank.MultivariateNormalLowRank(size, rank),
        smallest=2,
        image=False,
        rounding=1e-4,
        widest=1.0,  # a wider spread is as singular as the oracle's precision
        fits=False,  # without features the directions are zero, where they stay
    )


CASES = [_low_rank(1), _low_rank(3)]
