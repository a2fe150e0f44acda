# %% [markdown]
# # What is p(x)?
#
# A decoder with its weights and a prior define one density over data,
#
#     p(x) = ∫ p(x|z) p(z) dz
#
# and other weights give another one: a *family* of densities. Maximum likelihood picks
# the member that gives the data the highest log p(x). Here x is a single number, so
# that the density can be drawn, integrated by hand and compared with the data.

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np

import tfvae
from tfvae import evidence

EPOCHS = int(os.environ.get("TUTORIAL_EPOCHS", "60"))

generator = np.random.default_rng(0)
centres = generator.choice([-2.0, 1.0, 3.0], size=3000, p=[0.5, 0.3, 0.2])
x = generator.normal(centres, 0.35)[:, None].astype("float32")
x_train, x_test = x[:2500], x[2500:]

# %% [markdown]
# ## A density before it has seen anything
#
# With random weights p(x) is a density already: it is not negative and integrates to
# one. It only has nothing to do with the data.

# %%
keras.utils.set_random_seed(0)
encoder = keras.Sequential(
    [
        keras.Input((1,)),
        keras.layers.Dense(50, activation="tanh"),
        tfvae.layers.Normal(1),
    ]
)
decoder = keras.Sequential(
    [
        keras.Input((1,)),
        keras.layers.Dense(50, activation="tanh"),
        tfvae.layers.Normal(1, scale="shared"),
    ]
)
vae = tfvae.VAE(encoder, decoder, seed=0)

STEP = 0.04
grid = np.arange(-8, 8, STEP, dtype="float32")[:, None]
before = np.exp(evidence.exact(vae, grid))
print(f"before training p(x) integrates to {before.sum() * STEP:.4f}")
print(f"log p(x) of the data: {evidence.exact(vae, x_test).mean():.2f} nats")

# %% [markdown]
# ## Maximum likelihood
#
# `fit` raises a lower bound on the mean of log p(x) over the data. With one latent
# dimension `evidence.exact` knows log p(x) itself.

# %%
vae.compile(keras.optimizers.Adam(5e-3), tfvae.objectives.ImportanceWeighted(20))
vae.fit(x_train, epochs=EPOCHS, batch_size=50, verbose=0)
after = np.exp(evidence.exact(vae, grid))
print(f"after training p(x) integrates to {after.sum() * STEP:.4f}")
print(f"log p(x) of the data: {evidence.exact(vae, x_test).mean():.2f} nats")


# %% [markdown]
# The data come from a mixture of three normals, whose own density is the best that any
# model can reach. What is missing to it is KL(data ‖ model).


# %%
def true_density(value: np.ndarray) -> np.ndarray:
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([-2.0, 1.0, 3.0])
    normals = np.exp(-0.5 * ((value - means) / 0.35) ** 2) / (0.35 * np.sqrt(2 * np.pi))
    return normals @ weights


best = np.log(true_density(x_test)).mean()
print(f"log density of the data under their own distribution: {best:.2f} nats")

figure, axis = plt.subplots(figsize=(8, 3.2), constrained_layout=True)
axis.hist(x_train[:, 0], bins=80, density=True, color="0.85", label="data")
axis.plot(grid, before, color="tab:blue", linestyle="--", label="p(x) before")
axis.plot(grid, after, color="tab:blue", label="p(x) after")
axis.plot(grid, true_density(grid), color="black", linewidth=0.8, label="the truth")
axis.set(xlabel="x", ylabel="density", xlim=(-5, 5))
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What p(x) is not
#
# It is a density of *data*, one number for each x. It is not "the model that maps x to
# x'": encoder and decoder in a row are a function, with no prior in it, which assigns
# nothing a probability. The whole model is the joint density p(x, z) = p(z) p(x|z), of
# which the encoder is no part. Throw the encoder away, and p(x) is what it was: the
# encoder is there to make the integral, and so the training, affordable.

# %%
joint = vae.joint()
z = joint.sample(5, seed=0)["z"]
print("log p(x, z) of five pairs:", joint.log_prob(z=z, x=x_test[:5]).numpy().round(2))

other_encoder = keras.Sequential([keras.Input((1,)), tfvae.layers.Normal(1)])
same_density = tfvae.VAE(other_encoder, decoder)
difference = evidence.exact(same_density, x_test[:50]) - evidence.exact(
    vae, x_test[:50]
)
print(f"log p(x) with another encoder differs by {np.abs(difference).max():.1e} nats")

# %% [markdown]
# The density also lets us say which x are unusual, draw new ones (`vae.sample`), and
# compare models: whichever gives held-out data the higher log p(x) has the better
# density, whatever its reconstructions look like.
