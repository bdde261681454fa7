"""Message passing with attention on particles."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassliquid.datasets.description import CLASSES
from glassliquid.errors import UserError
from glassliquid.inputs.particles import Graphs, Particles
from glassliquid.models.network import Network, SeededDropout
from glassliquid.models.networks import MODELS
from glassliquid.physics.potential import DENSITY, SPECIES

SETTLED_ON, SETTLED_AT_ONCE = 256, 64
"""So many samples of the training split give the mean and deviation of the pooled vector, in batches of so many."""
RADIAL = 16
"""Gaussians of the distance, evenly spaced from `NEAREST` to the cutoff."""
NEAREST = 0.6
"""Distance of the first Gaussian [sigma_AA]; no two particles come much nearer."""
CROWDED = 1.6
"""So many times the mean number of particles within the cutoff are looked at."""
LARGEST_SCORE = 20.0
"""Of an edge, whose exponential stays finite."""


@MODELS.register("graph")
class Graph(Network):
    """Species to a vector of each particle, layers of attention to the neighbours, attention over the particles, dense 2.

    Only species and distances enter, and sums over neighbours and particles: rotation, reflection, shift and renumbering change
    nothing, and N may be any. The pooled vector is normalised over the batch: without it the network was still at chance after 50
    batches, with it all but perfect after 15, for what tells the classes apart changes it by a fiftieth. So little that running
    statistics, which lag behind the weights, made validation jump between 95 and 50 %: they are computed before each instead.
    """

    input = "particles"
    settings = ("width", "depth", "cutoff", "heads")

    def __init__(
        self,
        reads: Particles,
        dropout: float,
        generator: torch.Generator,
        width: int = 32,
        depth: int = 2,
        cutoff: float = 1.5,
        heads: int = 4,
    ) -> None:
        """Build the network.

        Args:
            reads: the samples.
            dropout: acts on the pooled vector.
            generator: source of the weights.
            width: numbers that each particle carries.
            depth: layers of message passing.
            cutoff: distance of the farthest neighbours [sigma_AA].
            heads: ways in which a layer weighs the neighbours.
        """
        super().__init__()
        self.reads, self.cutoff = reads, cutoff
        self.most = min(reads.neighbours, math.ceil(CROWDED * DENSITY * math.pi * cutoff**2))
        self.species = nn.Linear(len(SPECIES), width)
        self.layers = nn.ModuleList(AttentionLayer(width, heads) for _ in range(depth))
        self.attention = nn.Linear(width, 1)
        self.pooled_norm = nn.BatchNorm1d(width, momentum=0.0)
        self.dropout = SeededDropout(dropout)
        self.output = nn.Linear(width, len(CLASSES))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, batch: Graphs) -> Tensor:
        """Logits of a batch of systems; UserError if one alone is to be trained on, which has no deviation."""
        if self.training and len(batch.types) < 2:
            raise UserError("batch_size is 1, but graph normalises over the batch: pass 2 or more.")
        return cast(Tensor, self.output(self.dropout(self.pooled_norm(self._pooled(batch)))))

    def _pooled(self, batch: Graphs) -> Tensor:
        vectors, weights = self.particles(batch)
        return (weights[..., None] * vectors).sum(dim=1)

    @torch.no_grad()
    def settle(self, values: Tensor) -> None:
        """Mean and variance of the pooled vector, from samples spread evenly over the training split."""
        places = torch.linspace(0, len(values) - 1, min(SETTLED_ON, len(values)), dtype=torch.float64).long()
        batches = (self.reads.batch(values, part, self.output.weight.device) for part in places.split(SETTLED_AT_ONCE))
        pooled = torch.cat([self._pooled(batch) for batch in batches])
        buffers = dict(self.pooled_norm.named_buffers())
        buffers["running_mean"].copy_(pooled.mean(dim=0))
        buffers["running_var"].copy_(pooled.var(dim=0))

    def particles(self, batch: Graphs) -> tuple[Tensor, Tensor]:
        """The vector of each particle, shape (n, N, width), and how much it counts, shape (n, N), whose sum over a system is 1."""
        systems, count = batch.types.shape
        # The neighbours are sorted: those within the cutoff are the first.
        firsts = count * torch.arange(systems, device=batch.types.device)[:, None, None]
        neighbours = (batch.neighbours[:, :, : self.most] + firsts).flatten(0, 1)
        distances = batch.distances[:, :, : self.most].flatten(0, 1).to(self.dtype).clamp(max=self.cutoff)
        envelope = (1 + torch.cos(math.pi * distances / self.cutoff)) / 2
        centres = torch.linspace(NEAREST, self.cutoff, RADIAL, dtype=self.dtype, device=distances.device)
        spacing = (self.cutoff - NEAREST) / (RADIAL - 1)
        edges = torch.exp(-((distances[..., None] - centres) / spacing).square() / 2)
        vectors = self.species(functional.one_hot(batch.types.flatten(), len(SPECIES)).to(self.dtype))
        for layer in self.layers:
            vectors = layer(vectors, neighbours, edges, envelope)
        vectors = vectors.unflatten(0, (systems, count))
        return vectors, self.attention(vectors).squeeze(2).softmax(dim=1)

    def contributions(self, batch: Graphs) -> Tensor:
        """What each particle adds to the logit of glass less that of liquid, whose sum over a system that is; shape (n, N).

        Of a network in evaluation mode, where everything after the particles' vectors is linear.
        """
        vectors, weights = self.particles(batch)
        logits = self.output(self.pooled_norm(vectors.flatten(0, 1)))
        return cast(Tensor, weights * (logits[:, 0] - logits[:, 1]).reshape(weights.shape))

    def particle_values(self, batch: Graphs) -> dict[str, Tensor]:
        """Contributions and the weights of the pooling."""
        return {"attribution": self.contributions(batch), "attention": self.particles(batch)[1]}


class AttentionLayer(nn.Module):
    """Each particle's vector plus what it hears from its neighbours.

    A neighbour's weight is exp(s) f / (1 + sum exp(s) f) with a score s of both particles and their distance and the envelope f,
    which falls to zero at the cutoff: a particle that comes in from there changes nothing at once, and who has no neighbours
    hears nothing.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Make a layer of a network."""
        super().__init__()
        self.scores = nn.Linear(width, 2 * heads)
        self.edge_scores = nn.Linear(RADIAL, heads, bias=False)
        self.mixed = nn.Linear(heads * (width + RADIAL), width)
        self.message = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, vectors: Tensor, neighbours: Tensor, edges: Tensor, envelope: Tensor) -> Tensor:
        """New vectors of all particles.

        Args:
            vectors: of the particles of all systems of the batch, shape (M, width).
            neighbours: places among these M, shape (M, k).
            edges: Gaussians of the distances, shape (M, k, RADIAL).
            envelope: shape (M, k).
        """
        to, of = self.scores(vectors).chunk(2, dim=1)
        # Gathered at once, as rows: twice as fast as with an index, and the gradient is added up in a fixed order on a CPU.
        width = vectors.shape[1]
        heard = functional.embedding(neighbours, torch.cat([vectors, of], dim=1))
        heard, of = heard[..., :width], heard[..., width:]
        scores = functional.leaky_relu(self.edge_scores(edges) + of + to[:, None], 0.2)
        weights = scores.clamp(max=LARGEST_SCORE).exp() * envelope[..., None]
        weights = (weights / (1 + weights.sum(dim=1, keepdim=True))).transpose(1, 2)
        found = torch.cat([weights @ heard, weights @ edges], dim=2).flatten(1)
        message = self.norm(self.message(functional.silu(self.mixed(found))))
        return vectors + functional.silu(message)
