"""Two processes do what one does."""

import os
from pathlib import Path

import pytest
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


def where(folder: Path) -> None:
    (folder / str(parallel.rank())).write_text(str(os.sched_getaffinity(0)))
    if parallel.first():
        assert len(list(folder.iterdir())) == 2, "the first writes when all have come so far"
        (folder / "first").write_text(str(parallel.rank()))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says which cores a process has")
def test_processes_stay_on_the_cores_they_were_given(tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    last = {max(cores)}
    try:
        os.sched_setaffinity(0, last)
        parallel.launch(where, 2, tmp_path)
    finally:
        os.sched_setaffinity(0, cores)
    assert [(tmp_path / name).read_text() for name in ("0", "1", "first")] == [str(last), str(last), "0"]


def test_muon_divided_among_processes_is_muon(tmp_path: Path) -> None:
    parallel.launch(two_steps, 1, tmp_path)
    parallel.launch(two_steps, 2, tmp_path)
    alone, first, second = (torch.load(tmp_path / name, weights_only=False) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    assert len(alone) == 3
    for a, b, c in zip(alone, first, second, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(b, c)
