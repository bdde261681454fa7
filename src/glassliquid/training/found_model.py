"""The network of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from glassliquid.errors import UserError, first_line_of
from glassliquid.inputs import Input, described_input
from glassliquid.models.network import Network, build_model
from glassliquid.training.checkpoint import State, UnusableCheckpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.uncompiled import NothingDrawn


@dataclass(frozen=True)
class FoundModel:
    """A trained network and where it came from."""

    model: Network
    """In evaluation mode, on the CPU."""
    state: State
    """Its checkpoint: settings, dataset, run."""
    label: str
    """What to call it, such as `glass-liquid v3`."""
    model_id: str | None
    """MLflow's id of the logged model, to link metrics to; None for a file or an unregistered checkpoint."""


def restore_model(state: State) -> Network:
    """The network of a checkpoint, with its weights, in evaluation mode.

    Raises:
        UnusableCheckpoint: the weights do not fit the network that the settings name.
    """
    config = state.config
    try:
        reads = described_input(state.data)
        _check_shapes(config, reads, state.model)
        model = build_model(config.model, reads, config.dropout, torch.Generator(), **config.own)
        model.load_state_dict(state.model)
    except (UserError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnusableCheckpoint(
            f"The checkpoint's weights do not fit the network {config.model!r} ({first_line_of(error)}): choose another."
        ) from error
    return model.eval()


def _check_shapes(config: TrainConfig, reads: Input, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the weights are those of the network; before memory for it is set aside.

    A file of a few kilobytes can name the largest network and the largest images.
    """
    with torch.device("meta"), NothingDrawn():
        expected = build_model(config.model, reads, config.dropout, torch.Generator(), **config.own).state_dict()
    if set(expected) != set(weights):
        raise ValueError("they have other names")
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, but {tuple(expected[name].shape)} is expected")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not finite")
