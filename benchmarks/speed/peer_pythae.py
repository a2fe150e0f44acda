"""Pythae: its trainer, on the networks that PyTorch has in `peer_torch.py`."""

import tempfile
from collections.abc import Callable

import networks
import peer_torch
import torch
import worker
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig


class Encoder(BaseEncoder):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> ModelOutput:
        loc, log_variance = self.network(x).chunk(2, dim=-1)
        return ModelOutput(embedding=loc, log_covariance=log_variance)


class Decoder(BaseDecoder):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.network(z).sigmoid())


def train(task: worker.Task) -> Callable[[], float]:
    """Epochs of `BaseTrainer.train_step`: no copies of the model, nothing written."""
    x, vae = peer_torch.load(task), peer_torch.dense(task.width)
    latent = networks.LATENT["dense"]
    config = VAEConfig((networks.PIXELS,), latent, reconstruction_loss="bce")
    trainer = BaseTrainer(
        VAE(config, Encoder(vae.encoder), Decoder(vae.decoder)),
        BaseDataset(x, torch.zeros(len(x))),
        training_config=BaseTrainerConfig(
            tempfile.mkdtemp(),
            per_device_train_batch_size=task.batch_size,
            learning_rate=1e-3,
            optimizer_params={"fused": True},
        ),
    )
    trainer.prepare_training()
    trainer.callback_handler.callbacks.clear()  # the progress bar

    def take() -> float:
        return [trainer.train_step(epoch) for epoch in range(1, task.epochs + 1)][-1]

    return take


if __name__ == "__main__":
    worker.serve(train=train)
