"""Data-parallel training in a few processes of one thread each: a busy core then delays a step, not every operation in
it. distill/LOG.md has the figures."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import cv2
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

PATIENCE = timedelta(days=2)  # of one process with another that draws clips or makes its share of them


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this process is the one that writes, once all have come this far and read what may be replaced."""
    if world() > 1:
        dist.barrier()
    return rank() == 0


def shard(step: int) -> int:
    """The number of this process's batch in `step`: no two processes and no two steps share one."""
    return step * world() + rank()


def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over the processes."""
    if world() == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world()
    for gradient, piece in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(piece.view_as(gradient))


def divide(job: Callable[[Tensor], Tensor], values: Sequence[Tensor]) -> list[Tensor]:
    """`job` of each value, where all processes have the same values: each does its share of them, and all get all.

    job keeps shape and type.
    """
    if world() == 1:
        return [job(value) for value in values]
    flat = torch.cat(
        [(job(v) if i % world() == rank() else torch.zeros_like(v)).flatten() for i, v in enumerate(values)]
    )
    dist.all_reduce(flat)
    return [piece.view_as(value) for value, piece in zip(values, flat.split([v.numel() for v in values]), strict=True)]


def gather(values: list[Any]) -> list[Any]:
    """The values of all processes."""
    if world() == 1:
        return values
    shares: list[list[Any]] = [[] for _ in range(world())]
    dist.all_gather_object(shares, values)
    return [value for share in shares for value in share]


def launch(job: Callable[..., None], workers: int, *arguments: Any) -> None:
    """Run `job(*arguments)` in `workers` processes of one thread each; with 1, here, with the threads torch picks."""
    if workers == 1:
        job(*arguments)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(_enter, (workers, port, job, arguments), nprocs=workers)


def _enter(index: int, workers: int, port: int, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):  # else both may be put on one core while another process has the other
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[index % len(cores)]})
    dist.init_process_group("gloo", timeout=PATIENCE, rank=index, world_size=workers)
    try:
        job(*arguments)
    finally:
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # in an ordinary end C++ finds a thread of gloo's running now and then, and aborts
