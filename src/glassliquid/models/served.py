"""A network as it is logged and served: samples in, P(glass) out."""

from torch import Tensor, nn

from glassliquid.models.network import Network


class GlassProbability(nn.Module):
    """Answers samples with P(glass), so that whoever asks needs to know neither logits nor the classes' order."""

    def __init__(self, network: Network, glass: int) -> None:
        """Wrap a network; `glass` is the class index of glass."""
        super().__init__()
        self.network = network
        self.glass = glass

    def forward(self, samples: Tensor) -> Tensor:
        """P(glass) = exp(x_glass) / sum exp(x) from the network's logits x.

        Args:
            samples: as the `example` of the network's input, such as uint8 RGB images, shape (n, size, size, 3).

        Returns:
            float32, shape (n,).
        """
        logits: Tensor = self.network(self.network.reads.served(samples))
        return logits.float().softmax(dim=1)[:, self.glass]
