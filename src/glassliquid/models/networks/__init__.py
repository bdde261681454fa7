"""The networks: each module is one, and its name is what `model` takes."""

from typing import TYPE_CHECKING

from glassliquid.registry import Registry

if TYPE_CHECKING:  # PyTorch takes seconds, and names are asked for before any network is built
    from glassliquid.models.network import Network

MODELS: Registry[type["Network"]] = Registry("model", __name__)
