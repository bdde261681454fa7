"""What is not imported before a run's first iteration has ended, nor for loading a model: what takes seconds and serves nothing there."""

import subprocess
import sys
from pathlib import Path

import torch
from torch.nn import functional

from glassliquid.training.uncompiled import Adam
from tests.commands.conftest import PROJECT

PROGRAM = """
import sys
from pathlib import Path
import torch
import glassliquid.commands.train
from glassliquid.inputs.images import Images
from glassliquid.training.checkpoint import BEST, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import restore_model
from glassliquid.training.size import size_of
from glassliquid.training.trainer import Trainer, TrainingData

values, labels = torch.zeros((8, 32, 32, 3), dtype=torch.uint8), torch.arange(8) % 2
identity = {"name": "none", "digest": "none", "image_size": 32}
data = TrainingData(values, labels, Images(32), identity)
scores = {"val_accuracy": 0.5, "val_loss": 0.7}
class Nobody:
    def record(self, iteration, metrics): pass
config = TrainConfig(batch_size=4, iterations=1, batches_per_iteration=1)
trainer = Trainer(config, data, lambda model: scores, Nobody(), Path(sys.argv[1]), "0" * 32)
size_of(trainer.model, values, torch.device("cpu"))
outcome = trainer.train(lambda: False)
restored = restore_model(load_checkpoint(Path(sys.argv[1]) / BEST)).state_dict()
assert all(torch.equal(restored[name], tensor) for name, tensor in trainer.model.state_dict().items())
print(outcome.iteration, {"torch._dynamo", "sympy", "matplotlib", "mlflow", "scipy", "sklearn"} & set(sys.modules))
"""


def test_a_first_iteration_and_loading_need_neither_the_compiler_nor_what_draws(tmp_path: Path):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    paths = {"PYTHONPATH": f"{PROJECT / 'src'}:{PROJECT}"}
    done = subprocess.run(words, env=paths, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.strip() == "1 set()", done.stderr


def test_adam_takes_the_steps_of_pytorchs():
    inputs, weights = torch.randn((16, 5), generator=torch.Generator().manual_seed(1)), []
    for kind in (torch.optim.Adam, Adam):
        model = torch.nn.Linear(5, 2)
        with torch.no_grad():
            model.weight.fill_(0.1)
            model.bias.zero_()
        optimizer = kind(model.parameters(), lr=0.01, fused=True)
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(inputs), torch.arange(16) % 2).backward()
            optimizer.step()
        assert torch.is_grad_enabled()
        weights.append(torch.cat([model.weight.detach().flatten(), model.bias.detach()]))
    assert torch.equal(*weights)
