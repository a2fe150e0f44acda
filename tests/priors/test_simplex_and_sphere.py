"""The priors over the sphere and over the probability simplex."""

import numpy as np
import pytest
from scipy import special

from tfvae.priors import RelaxedUniform, UniformSphere


@pytest.mark.parametrize("size", [2, 3, 10, 18, 64, 500])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
def test_the_area_of_the_sphere(size, dtype, tolerance) -> None:
    prior = UniformSphere(size, dtype=dtype)
    z = prior.transform(np.random.default_rng(0).normal(size=(4, size)))
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1, rtol=1e-6)
    expected = special.gammaln(size / 2) - np.log(2) - size / 2 * np.log(np.pi)
    error = np.abs(prior.distribution.log_prob(z) - expected)
    assert np.max(error) <= tolerance * max(1, abs(expected))


@pytest.mark.parametrize("event_shape", [1, (3, 3)])
def test_bad_spheres(event_shape) -> None:
    with pytest.raises(ValueError, match=r"`event_shape` of UniformSphere must have"):
        UniformSphere(event_shape)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 5.0])
@pytest.mark.parametrize("classes", [2, 50])
def test_low_temperatures_and_many_classes_are_finite(temperature, classes) -> None:
    prior = RelaxedUniform(classes, temperature=temperature)
    noise = np.random.default_rng(0).uniform(2.0**-24, 1 - 2.0**-24, (2000, classes))
    z = prior.transform(noise)
    assert np.all(np.isfinite(z))
    np.testing.assert_allclose(np.sum(z, -1), 1, rtol=1e-5)
    assert np.all(np.isfinite(prior.distribution.log_prob(z)))


@pytest.mark.parametrize("temperature", [0, -1.0, np.inf, "0.5", None, True])
def test_bad_temperatures(temperature) -> None:
    with pytest.raises(ValueError, match=r"`temperature` must be .* Received: "):
        RelaxedUniform(3, temperature=temperature)


def test_one_class_is_none() -> None:
    with pytest.raises(ValueError, match="must end in at least two classes"):
        RelaxedUniform((3, 1))
