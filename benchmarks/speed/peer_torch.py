"""PyTorch: eager with the fused Adam, or with everything but Adam compiled."""

import math
from collections.abc import Callable

import networks
import numpy as np
import torch
import worker
from torch import nn
from torch.nn import functional


class VAE(nn.Module):
    """Two networks between pixels, a normal posterior and logits."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loc, raw = self.encoder(x).chunk(2, dim=-1)
        return loc, functional.softplus(raw)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The negative ELBO, with the KL in closed form, as a mean of the batch."""
        loc, scale = self.posterior(x)
        logits = self.decoder(loc + scale * torch.randn_like(scale))
        cross = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = (loc.square() + scale.square() - 1).sum() / 2 - scale.log().sum()
        return (cross + kl) / len(x)

    def log_weights(
        self,
        x: torch.Tensor,
        loc: torch.Tensor,
        scale: torch.Tensor,
        samples: int,
    ) -> torch.Tensor:
        """log p(x, z) / q(z|x) at `samples` draws: [S, B]."""
        noise = torch.randn(samples, *loc.shape)
        z = loc + scale * noise
        logits = self.decoder(z.flatten(0, 1)).unflatten(0, (samples, len(x)))
        log_p = (x * logits - functional.softplus(logits)).sum(-1)
        return log_p + ((noise.square() - z.square()) / 2 + scale.log()).sum(-1)


class Importance(nn.Module):
    """The negative importance-weighted bound."""

    def __init__(self, vae: VAE, samples: int) -> None:
        super().__init__()
        self.vae = vae
        self.samples = samples

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        log_weights = self.vae.log_weights(x, *self.vae.posterior(x), self.samples)
        bounds = log_weights.logsumexp(0) - math.log(self.samples)
        return -bounds.mean()


def dense(width: int, activation: type[nn.Module] = nn.Tanh) -> VAE:
    layers = [nn.Linear(*sizes) for sizes in networks.dense_sizes(width)]
    weights = networks.dense_weights(width)
    with torch.no_grad():
        for layer, kernel, bias in zip(
            layers, weights[::2], weights[1::2], strict=True
        ):
            layer.weight.copy_(torch.from_numpy(kernel.T))
            layer.bias.copy_(torch.from_numpy(bias))
    halves = [
        nn.Sequential(a, activation(), b, activation(), c)
        for a, b, c in (layers[:3], layers[3:])
    ]
    return VAE(*halves)


def conv(activation: type[nn.Module] = nn.ReLU) -> VAE:
    up = {"stride": 2, "padding": 1, "output_padding": 1}
    encoder = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),  # as "same" of the Keras network
        nn.Conv2d(1, 32, 3, stride=2),
        activation(),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(32, 64, 3, stride=2),
        activation(),
        nn.Flatten(),
        nn.Linear(3136, 16),
        activation(),
        nn.Linear(16, 2 * networks.LATENT["conv"]),
    )
    decoder = nn.Sequential(
        nn.Linear(networks.LATENT["conv"], 3136),
        activation(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 64, 3, **up),
        activation(),
        nn.ConvTranspose2d(64, 32, 3, **up),
        activation(),
        nn.ConvTranspose2d(32, 1, 3, padding=1),
    )
    vae = VAE(encoder, decoder)
    for weight in vae.parameters():
        if weight.ndim > 1:
            nn.init.xavier_uniform_(weight)
        else:
            nn.init.zeros_(weight)
    return vae.to(memory_format=torch.channels_last)


def moved(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).to(torch.get_default_device())


def load(task: worker.Task) -> torch.Tensor:
    x = moved(task.load())
    # A view with the strides of channels last.
    return x.permute(0, 3, 1, 2) if task.network == "conv" else x


def train(task: worker.Task) -> Callable[[], float]:
    x = load(task)
    vae = conv() if task.network == "conv" else dense(task.width)
    loss_of = vae if task.objective == "elbo" else Importance(vae, task.samples)
    if task.options.get("compile"):
        loss_of = torch.compile(loss_of)
    adam = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=True)
    steps = len(x) // task.batch_size

    def take() -> float:
        for _ in range(task.epochs):
            total = torch.zeros(())
            order = torch.randperm(len(x))
            for rows in order[: steps * task.batch_size].split(task.batch_size):
                loss = loss_of(x.index_select(0, rows))
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += loss.detach()
        return total.item() / steps

    return take


def evidence(task: worker.Task) -> Callable[[], float]:
    """log p(x) of one image after the other, some draws at once."""
    x, vae = load(task)[: task.images], dense(task.width)
    chunk = math.gcd(task.options.get("chunk", task.samples), task.samples)
    log_weights = vae.log_weights
    if task.options.get("compile"):
        log_weights = torch.compile(log_weights)

    @torch.inference_mode()
    def take() -> float:
        total = 0.0
        loc, scale = vae.posterior(x)
        for i in range(len(x)):
            one = slice(i, i + 1)
            parts = [
                log_weights(x[one], loc[one], scale[one], chunk)
                for _ in range(task.samples // chunk)
            ]
            total += float(torch.cat(parts).logsumexp(0) - math.log(task.samples))
        return total / len(x)

    return take


def products(task: worker.Task) -> Callable[[], float]:
    """The matrix products of all steps of a round, and nothing else."""
    pairs = networks.dense_products(task.batch_size, task.width, task.samples)
    tensors = [(moved(a), moved(b)) for a, b in pairs]
    results = [a @ b for a, b in tensors]
    steps = task.epochs * (len(load(task)) // task.batch_size)

    def take() -> float:
        for _ in range(steps):
            for (a, b), result in zip(tensors, results, strict=True):
                torch.mm(a, b, out=result)
        return float("nan") * result[0, 0].item()

    return take


def convolutions(task: worker.Task) -> Callable[[], float]:
    """Forward and backward of the layers without what stands between them."""
    x, vae = load(task), conv(nn.Identity)
    steps = task.epochs * (len(x) // task.batch_size)
    batch, weights = x[: task.batch_size], list(vae.parameters())
    direction = torch.ones_like(batch)

    def take() -> float:
        for _ in range(steps):
            loc, _ = vae.encoder(batch).chunk(2, dim=-1)
            found = torch.autograd.grad(vae.decoder(loc), weights, direction)
        return float("nan") * found[0].ravel()[0].item()

    return take


if __name__ == "__main__":
    if torch.cuda.is_available():
        torch.set_default_device("cuda")
    worker.serve(
        train=train, evidence=evidence, products=products, convolutions=convolutions
    )
