# %% [markdown]
# # A first model, and every term of log p(x)
#
# A variational autoencoder is a density p(x) with a hidden cause z:
#
#     p(x) = ∫ p(x|z) p(z) dz
#     log p(x) = ELBO(x) + KL( q(z|x) ‖ p(z|x) )
#
# We fit one to scikit-learn's handwritten digits and look at each term. The cells of
# this file run in an editor that knows the percent format, or all at once with
# `python tutorials/first_model.py`.

# %%
import os
import warnings

import keras
import numpy as np
from sklearn.datasets import load_digits

import tfvae
from tfvae import evidence

SOME = int(os.environ.get("TUTORIAL_EXAMPLES", "20"))
STEPS = int(os.environ.get("TUTORIAL_STEPS", "300"))
keras.utils.set_random_seed(0)

# %% [markdown]
# ## The data choose the likelihood
#
# Each of the 64 pixels counts from 0 to 16, so p(x|z) is a product of binomials. The
# model would refuse anything outside that support. Networks want inputs of about unit
# size, so that the encoder begins by dividing by 16; the data stay what they are.

# %%
x = load_digits().images[..., None].astype("float32")
x_train, x_test = x[:1500], x[1500:]
print(x_train.shape, x_train.min(), x_train.max())

# %% [markdown]
# ## Two Keras models that end in a distribution

# %%
encoder = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Rescaling(1 / 16),
        tfvae.networks.mlp((8, 8, 1), hidden=(100,)),
        tfvae.layers.Normal(8),
    ]
)
decoder = keras.Sequential(
    [
        tfvae.networks.mlp((8,), hidden=(100,)),
        tfvae.layers.Binomial((8, 8, 1), total_count=16),
    ]
)
vae = tfvae.VAE(encoder, decoder, seed=0)
print(vae.encode(x_test))
print(vae.decode(np.zeros((1, 8), "float32")))

# %% [markdown]
# ## Training maximises the ELBO
#
# `fit` takes `x` alone: the data are what is modelled, there is nothing to predict.

# %%
vae.compile(optimizer=keras.optimizers.Adam(3e-3))
history = vae.fit(
    x_train, validation_data=x_test, epochs=40, batch_size=100, verbose=0
).history
for epoch in (0, 9, 39):
    print(
        f"epoch {epoch + 1:2d}: validation ELBO {history['val_elbo'][epoch]:.1f} nats"
    )

# %% [markdown]
# ## The terms
#
# `evaluate` reports the mean over the test set. The ELBO is the reconstruction term
# less the KL, and it lies below log p(x); the gap is KL(q(z|x) ‖ p(z|x)), which no one
# sees during training.

# %%
result = vae.evaluate(x_test, return_dict=True, verbose=0)
log_prob = float(np.mean(vae.log_prob(x_test, num_samples=1000, seed=0)))
print(f"reconstruction {result['reconstruction']:8.2f}")
print(f"- kl           {result['kl']:8.2f}")
print(f"= elbo         {result['elbo']:8.2f}")
gap = log_prob - result["elbo"]
print(f"log p(x)   >=  {log_prob:8.2f}, so the gap is {gap:.2f} or more")

# %% [markdown]
# More samples make the estimate of log p(x) tighter: it rises towards the true value.

# %%
for num_samples in (1, 10, 100, 1000):
    estimate = np.mean(vae.log_prob(x_test, num_samples=num_samples, seed=1))
    print(f"{num_samples:5d} samples: {estimate:.2f}")

# %% [markdown]
# ## How far to trust it
#
# A thousand samples need not be enough. `evidence.importance` looks at the weights of
# the draws as well: where the tail index k̂ of an example exceeds its limit, q(z|x)
# misses a part of the true posterior, and the number is too low. It warns, and names
# annealed importance sampling, which walks from the prior to the posterior and does not
# need a good q. That too is a bound from below; the higher one is the better one.

# %%
some = x_test[:SOME]
warnings.filterwarnings("ignore", "`pareto_k` exceeds")  # printed here
found = evidence.importance(vae, some, num_samples=1000, seed=0)
number, limit = found.unreliable.sum(), found.pareto_k_limit
print(f"k̂ exceeds {limit:.2f} for {number} of {SOME} digits")
annealed = evidence.annealed(vae, some, STEPS, seed=0)
print(f"1000 samples of q: {found.log_prob.mean():.2f}")
print(f"annealed         : {annealed.log_prob.mean():.2f}")

# %% [markdown]
# Of digits that the model itself has drawn the z is known, and chains that start there
# and walk back bound log p(x) from above: the truth lies between. Some of these digits
# are unlike all that the encoder was trained with, and its draws miss them altogether.

# %%
drawn, z = evidence.simulate(vae, SOME, seed=0)
annealed = evidence.annealed(vae, drawn, STEPS, seed=0, latents=z)
found = evidence.importance(vae, drawn, num_samples=1000, seed=0)
print(f"1000 samples of q: {found.log_prob.mean():.2f}")
below, above = annealed.log_prob.mean(), annealed.upper.mean()
print(f"annealed         : {below:.2f} to {above:.2f}")

# %% [markdown]
# ## A density knows what is unusual
#
# Noise with the same brightness as a digit is far less likely than any digit.

# %%
generator = np.random.default_rng(0)
noise = generator.permuted(x_test.reshape(len(x_test), -1), axis=1).reshape(
    x_test.shape
)
digits = vae.log_prob(x_test, num_samples=100, seed=2).numpy()
shuffled = vae.log_prob(noise, num_samples=100, seed=2).numpy()
print(f"digits {digits.mean():.0f} nats, shuffled pixels {shuffled.mean():.0f} nats")

# %% [markdown]
# ## The joint density
#
# p(x, z) = p(z) p(x|z) is a distribution as well, with `sample` and `log_prob`.

# %%
joint = vae.joint()
draw = joint.sample(3, seed=0)
print({name: value.shape for name, value in draw.items()})
print(joint.log_prob(draw).numpy())
