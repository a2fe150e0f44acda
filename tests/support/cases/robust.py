"""Families with a location and a scale."""

from support.cases.base import Case
from support.families import robust

import tfvae

TINY = 1e-30

# With narrower scales the steps of the finite differences would cross a kink, or the
# whole distribution. Wider spreads are in tests/layers/test_robust.py.
WIDEST = 1.0


def _laplace(scale: str | float) -> Case:
    return Case(
        f"laplace-{scale}",
        tfvae.layers.Laplace,
        {"scale": scale},
        lambda size, _: robust.Laplace(size, scale),
        widest=WIDEST,
    )


def _log_normal(scale: str | float) -> Case:
    return Case(
        f"log-normal-{scale}",
        tfvae.layers.LogNormal,
        {"scale": scale},
        lambda size, _: robust.LogNormal(size, scale),
        inside=(1.0, 2.0),
        outside=(0.0, -1.0),
        ends=(TINY, 1.0, 1 / TINY),
        widest=0.5 if scale == "shared" else 5.0,
    )


def _student_t(df: str | float, scale: str | float) -> Case:
    return Case(
        f"student-t-{df}-{scale}",
        tfvae.layers.StudentT,
        {"df": df, "scale": scale},
        lambda size, _: robust.StudentT(size, df, scale),
        widest=WIDEST,
    )


CASES = [
    _laplace("elementwise"),
    _laplace("shared"),
    _laplace(0.3),
    _log_normal("elementwise"),
    _log_normal("shared"),
    _log_normal(0.3),
    _student_t("shared", "elementwise"),
    _student_t("elementwise", "shared"),
    _student_t("elementwise", "elementwise"),
    _student_t(4.0, 0.3),
]
