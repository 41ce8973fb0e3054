"""Two processes do what one does."""

from pathlib import Path

import torch
from torch import nn

from distill import parallel
from distill.muon import Muon


def two_steps(folder: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 9))
    matrices = [p for p in net.parameters() if p.ndim == 2]
    optimizer = Muon(matrices, lr=0.1)
    for step in range(2):
        for p in matrices:
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
        optimizer.step()
    torch.save(matrices, folder / f"{parallel.world()}-{parallel.rank()}.pt")
    everyone = parallel.gather([parallel.rank()])
    assert everyone == list(range(parallel.world())), "every process has the values of all"


def test_muon_divided_among_processes_is_muon(tmp_path: Path) -> None:
    parallel.launch(two_steps, 1, tmp_path)
    parallel.launch(two_steps, 2, tmp_path)
    alone, first, second = (torch.load(tmp_path / name, weights_only=False) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    assert len(alone) == 3
    for a, b, c in zip(alone, first, second, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(b, c)
