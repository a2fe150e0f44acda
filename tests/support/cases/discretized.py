"""Rounded logistic variables and mixtures of them."""

from support.cases.base import Case
from support.families import discretized

import tfvae


def _single(num_bins: int) -> Case:
    return Case(
        f"discretized-logistic-{num_bins}",
        tfvae.layers.DiscretizedLogistic,
        {"num_bins": num_bins},
        lambda size, _: discretized.DiscretizedLogistic(size, num_bins),
        outside=(-1.0, 0.5, float(num_bins)),
        ends=(0.0, 1.0, num_bins - 1.0),
    )


def _mixture(num_components: int, num_bins: int) -> Case:
    return Case(
        f"discretized-logistic-mixture-{num_components}-{num_bins}",
        tfvae.layers.DiscretizedLogisticMixture,
        {"num_components": num_components, "num_bins": num_bins},
        lambda size, _: discretized.DiscretizedLogisticMixture(
            size, num_components, num_bins
        ),
        outside=(-1.0, 0.5, float(num_bins)),
        ends=(0.0, 1.0, num_bins - 1.0),
        fits=False,  # without features all components are the same, and stay so
    )


CASES = [_single(256), _single(8), _mixture(3, 8), _mixture(10, 256)]
