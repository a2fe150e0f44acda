# %% [markdown]
# # The gap: log p(x) = ELBO(x) + KL(q(z|x) ‖ p(z|x))
#
# The line that makes a VAE work has three terms, and two of them are usually out of
# sight. In a linear model with normal noise all three have exact answers, so that each
# can be measured by itself and the sum checked.

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np

import tfvae
from tfvae import evidence

EPOCHS = int(os.environ.get("TUTORIAL_EPOCHS", "40"))
LATENTS, WIDTH, NOISE = 2, 5, 0.5

generator = np.random.default_rng(0)
loadings = generator.normal(size=(LATENTS, WIDTH))
hidden = generator.normal(size=(3000, LATENTS))
noise = generator.normal(size=(3000, WIDTH))
x = (hidden @ loadings + NOISE * noise).astype("float32")
x_train, x_test = x[:2500], x[2500:]


def linear_model(posterior: tfvae.layers.DistributionLayer) -> tfvae.VAE:
    encoder = keras.Sequential([keras.Input((WIDTH,)), posterior])
    likelihood = tfvae.layers.Normal(WIDTH, scale=NOISE)
    decoder = keras.Sequential([keras.Input((LATENTS,)), likelihood])
    return tfvae.VAE(encoder, decoder, seed=0)


# %% [markdown]
# ## Three terms, measured three ways
#
# log p(x) is the density of N(b, A A' + s^2 I). The true posterior p(z|x) is normal as
# well, so that KL(q ‖ p(z|x)) is a formula of two normals. The ELBO is a mean of draws.


# %%
def true_posterior(vae: tfvae.VAE, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [N, D] and covariance [D, D] of p(z|x)."""
    kernel, bias = (np.asarray(w, float) for w in vae.decoder.get_weights())
    covariance = np.linalg.inv(np.eye(LATENTS) + kernel @ kernel.T / NOISE**2)
    return (x - bias) @ kernel.T @ covariance / NOISE**2, covariance


def kl_to_true_posterior(vae: tfvae.VAE, x: np.ndarray) -> np.ndarray:
    """KL(q(z|x) || p(z|x)) for a posterior with independent elements, [N]."""
    q = vae.encode(x)
    mean, variance = q.mean().numpy().astype(float), q.variance().numpy().astype(float)
    centre, covariance = true_posterior(vae, x)
    precision, distance = np.linalg.inv(covariance), centre - mean
    quadratic = np.einsum("ni,ij,nj->n", distance, precision, distance)
    trace = variance @ np.diag(precision)
    log_ratio = np.linalg.slogdet(covariance)[1] - np.log(variance).sum(-1)
    return 0.5 * (quadratic + trace - LATENTS + log_ratio)


keras.utils.set_random_seed(0)
vae = linear_model(tfvae.layers.Normal(LATENTS))
vae.compile(keras.optimizers.Adam(0.01))

epochs = []


def measure() -> tuple[float, float, float]:
    evidence_of_test = evidence.exact(vae, x_test).mean()
    elbo = float(np.mean(vae.elbo(x_test, num_samples=500, seed=0)))
    return evidence_of_test, elbo, kl_to_true_posterior(vae, x_test).mean()


for epoch in range(EPOCHS + 1):
    if epoch:
        vae.fit(x_train, epochs=1, batch_size=50, verbose=0)
    epochs.append(measure())
log_p, elbo, divergence = np.array(epochs).T
print(f"log p(x)        {log_p[-1]:8.4f}   closed form")
print(f"ELBO            {elbo[-1]:8.4f}   mean over draws")
print(f"KL(q || p(z|x)) {divergence[-1]:8.4f}   formula of two normals")
print(f"the sum is off by {np.abs(log_p - elbo - divergence).max():.4f} at most")

# %% [markdown]
# The remainder is the noise of the draws in the ELBO. Every epoch's gain in ELBO splits
# in two: a rise of log p(x), and a fall of the gap.


# %%
def draw(axis: plt.Axes, log_p: np.ndarray, elbo: np.ndarray) -> None:
    axis.plot(log_p, color="black", label="log p(x)")
    axis.plot(elbo, color="tab:blue", label="ELBO")
    axis.fill_between(range(len(elbo)), elbo, log_p, color="0.9", label="the gap")
    axis.set(xlabel="epoch", ylabel="nats", ylim=(log_p.max() - 5, log_p.max() + 0.5))
    axis.legend(frameon=False, loc="lower right")


figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
draw(left, log_p, elbo)
left.set_title("encoder and decoder train")
of_log_p, of_gap = np.diff(log_p), -np.diff(divergence)
shown = np.arange(2, min(15, EPOCHS) + 1)
right.bar(shown - 0.2, of_log_p[shown - 1], 0.4, color="black", label="log p(x) rises")
right.bar(shown + 0.2, of_gap[shown - 1], 0.4, color="0.7", label="the gap falls")
right.set(xlabel="epoch", ylabel="nats", title="what the ELBO gains in an epoch")
right.legend(frameon=False)
plt.show()
print("          gain in ELBO = rise of log p(x) + fall of the gap")
rows = [(f"epoch {e}", e - 1, e) for e in (1, 2, 3)] + [("in all", 0, EPOCHS)]
for name, first, last in rows:
    gain, rise, fall = np.diff([elbo, log_p, -divergence])[:, first:last].sum(axis=1)
    print(f"{name:10s}{gain:12.3f} = {rise:.3f} + {fall:.3f}")

# %% [markdown]
# ## With the decoder frozen only the gap can move
#
# p(x) has no encoder in it. Train the encoder alone, from random weights again, and
# log p(x) stays where it is: all that the ELBO gains is a fall of KL(q ‖ p(z|x)).

# %%
trained = vae.decoder.get_weights()
keras.utils.set_random_seed(1)
vae = linear_model(tfvae.layers.Normal(LATENTS))
vae.decoder.set_weights(trained)
vae.decoder.trainable = False
vae.compile(keras.optimizers.Adam(0.01))
epochs = [measure()]
for _ in range(EPOCHS):
    vae.fit(x_train, epochs=1, batch_size=50, verbose=0)
    epochs.append(measure())
log_p, elbo, divergence = np.array(epochs).T
print(f"log p(x) moved by {np.ptp(log_p):.1e} nats")
print(f"the ELBO gained {elbo[-1] - elbo[0]:.3f}")
print(f"the gap lost    {divergence[0] - divergence[-1]:.3f}")
figure, axis = plt.subplots(figsize=(4.5, 3.2), constrained_layout=True)
draw(axis, log_p, elbo)
axis.set_title("the encoder alone trains")
plt.show()

# %% [markdown]
# The two differ by the noise of the draws in the first ELBO, that of an encoder which
# knows nothing yet.
#
# ## What is left of the gap
#
# Next to nothing, for a reason worth knowing: with a posterior of independent elements
# the ELBO turns the axes of z until those of the true posterior are independent too,
# which makes them principal components. Give the decoder the axes that the data were
# made with, and the true posterior has correlated elements, which q has not: the
# *approximation gap*, which no training of the encoder removes. `evidence.gap` tells it
# from the *amortisation gap*, which one encoder for all x costs, by optimising q for
# each example. A richer family closes it: a full covariance, or a flow.

# %%
POSTERIORS = {
    "Normal": tfvae.layers.Normal(LATENTS),
    "MultivariateNormalTriL": tfvae.layers.MultivariateNormalTriL(LATENTS),
    "CouplingFlow": tfvae.layers.CouplingFlow(LATENTS, seed=0),
}
for name, posterior in POSTERIORS.items():
    keras.utils.set_random_seed(2)
    vae = linear_model(posterior)
    vae.decoder.set_weights([loadings, np.zeros(WIDTH)])
    vae.decoder.trainable = False
    vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(x_train, epochs=EPOCHS, batch_size=50, verbose=0)
    found = evidence.gap(vae, x_test[:50], num_steps=5 * EPOCHS, seed=0)
    parts = found.approximation.mean(), found.amortization.mean()
    print(f"{name:24s} gap {found.total.mean():.3f} = {parts[0]:.3f} + {parts[1]:.3f}")

# %% [markdown]
# The first number is what the family cannot do, the second what the encoder has not
# learned. Both are nats of log p(x) that the ELBO does not see.
