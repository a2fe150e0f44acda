# %% [markdown]
# # Why maximise log p(x)?
#
# A variational autoencoder has two networks and a loss that looks like "reconstruction
# error plus a regulariser". Why not train the reconstruction alone? Because the thing
# that is fitted is a density,
#
#     p(x) = ∫ p(x|z) p(z) dz
#
# and the reconstruction term E_q[log p(x|z)] is not a bound on log p(x). We train the
# same networks on the same data with three objectives and look at what each one does to
# log p(x), which two latent dimensions let us compute *exactly*, by quadrature.

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import tfvae
from tfvae import evidence
from tfvae.objectives import ELBO, ImportanceWeighted, Reconstruction

EPOCHS = int(os.environ.get("TUTORIAL_EPOCHS", "150"))
HELD_OUT = int(os.environ.get("TUTORIAL_EXAMPLES", "100"))

x = load_digits().images.reshape(-1, 64).astype("float32")
x_train, x_test = x[:1500], x[1500:]

# %% [markdown]
# ## Three objectives, one model
#
# `Reconstruction()` is E_q[log p(x|z)] alone. `ELBO()` subtracts KL(q(z|x) ‖ p(z)).
# `ImportanceWeighted(20)` is a tighter bound on log p(x) than the ELBO.


# %%
def train(objective: tfvae.objectives.Objective) -> tfvae.VAE:
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Dense(100, activation="tanh"),
            tfvae.layers.Normal(2),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(100, activation="tanh"),
            tfvae.layers.Binomial(64, total_count=16),
        ]
    )
    vae = tfvae.VAE(encoder, decoder, seed=1)
    vae.compile(keras.optimizers.Adam(3e-3), objective)
    vae.fit(x_train, epochs=EPOCHS, batch_size=100, verbose=0)
    return vae


models = {
    "Reconstruction()": train(Reconstruction()),
    "ELBO()": train(ELBO()),
    "ImportanceWeighted(20)": train(ImportanceWeighted(20)),
}

# %% [markdown]
# ## What each one did to log p(x)
#
# `evidence.exact` integrates p(x|z) p(z) over the plane of z, in double precision. An
# importance-weighted estimate would not do here: without the KL, q(z|x) shrinks to a
# point somewhere far from the prior, and samples from it say nothing about p(x).

# %%
held_out = x_test[:HELD_OUT]
print(f"{'':24s}{'reconstruction':>26s}{'KL':>9s}{'log p(x)':>10s}")
print(f"{'trained with':24s}{'training':>16s}{'held out':>10s}{'':9s}{'held out':>10s}")
for name, vae in models.items():
    seen = vae.evaluate(x_train, return_dict=True, verbose=0)["reconstruction"]
    logs = vae.evaluate(held_out, return_dict=True, verbose=0)
    new, kl = logs["reconstruction"], logs["kl"]
    log_p = evidence.exact(vae, held_out).mean()
    print(f"{name:24s}{seen:16.1f}{new:10.1f}{kl:9.1f}{log_p:10.1f}")

# %% [markdown]
# The model that was trained to reconstruct does that best, at least for the digits it
# has seen, and pays with a huge KL: it stores each digit at a point of its own. Its
# log p(x) is the worst of the three by far, because p(x) averages p(x|z) over the
# *prior*, which seldom meets the places where the digits are kept. Draws from it show
# the same thing. The importance-weighted model reconstructs worse than both, from a
# posterior that is wider, and has the highest log p(x): reconstructions are not what is
# being fitted.

# %%
figure, axes = plt.subplots(len(models), 2, figsize=(9, 3), constrained_layout=True)


def tiles(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, 8, 8).transpose(1, 0, 2).reshape(8, -1)


for (name, vae), (left, right) in zip(models.items(), axes, strict=True):
    left.imshow(tiles(vae.reconstruct(x_test[:10])), cmap="gray_r", vmin=0, vmax=16)
    left.set_title(f"{name}: reconstructions", fontsize=9)
    drawn = vae.sample(10, seed=0, mean=True)
    right.imshow(tiles(drawn), cmap="gray_r", vmin=0, vmax=16)
    right.set_title("E[x|z] at draws of z from its prior", fontsize=9)
    for axis in (left, right):
        axis.set_axis_off()
plt.show()

# %% [markdown]
# ## Squared error is a likelihood too, with a number you did not choose
#
# For a normal p(x|z) with a fixed scale s and D pixels
#
#     -log p(x|z) = |x - mean(z)|^2 / (2 s^2) + D log s + D/2 log 2 pi
#
# so "squared error plus w times the KL" is the ELBO at s^2 = w / 2 with its constants
# left out: the weight w, which looks like a taste for regularisation, is a claim about
# the noise of the pixels. What it hides is how good that claim is.

# %%
vae = models["ELBO()"]
z = vae.encode(held_out).mean()
centre = vae.likelihood_layer.location(vae.decode(z)).numpy()
squared_error = ((held_out - centre) ** 2).sum(-1)
for scale in (2**-0.5, 1.0, 3.0):
    constant = 64 * np.log(scale) + 32 * np.log(2 * np.pi)
    log_likelihood = -squared_error / (2 * scale**2) - constant
    print(f"scale {scale:.2f}: log p(x|z) = {log_likelihood.mean():8.1f} nats")
best = np.sqrt(squared_error.mean() / 64)
print(f"the best single scale for these digits is {best:.2f}")

# %% [markdown]
# `tfvae.layers.Normal(64, scale="optimal")` finds that number while it trains. For
# counts from 0 to 16 a binomial is the better likelihood in the first place: the data
# choose it, not the loss.
#
# The short answer to the title: log p(x) is the one number that cannot be raised by
# storing the data where the prior does not look. The ELBO is a bound on it; the
# reconstruction alone is not.
