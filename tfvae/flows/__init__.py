"""Normalising flows: Keras networks, and the bijectors of TensorFlow Probability."""

from tfvae.flows.bijectors import KINDS, Flow, FlowStep, flow_networks
from tfvae.flows.coupling import CouplingNetwork
from tfvae.flows.distribution import FlowNormal
from tfvae.flows.made import MADE
from tfvae.flows.network import AffineNetwork

__all__ = [
    "KINDS",
    "MADE",
    "AffineNetwork",
    "CouplingNetwork",
    "Flow",
    "FlowNormal",
    "FlowStep",
    "flow_networks",
]
