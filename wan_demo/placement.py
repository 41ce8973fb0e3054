"""Where a model's tensors are: moved to a device for a while, or block by block, or worked on in pieces."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

BLOCKS = 1  # blocks a group of a streamed expert


@contextmanager
def lent(part: nn.Module, device: torch.device) -> Iterator[None]:
    """Have `part` on `device` inside the block. Its tensors at home stay where they are, so nothing is copied back."""
    home = {tensor: tensor.data for tensor in itertools.chain(part.parameters(), part.buffers())}
    try:
        for tensor in home:
            tensor.data = tensor.data.to(device, non_blocking=True, copy=True)
        yield
    finally:
        for tensor, data in home.items():
            tensor.data = data
        if device.type == "cuda":
            torch.cuda.empty_cache()


def pin(part: nn.Module) -> None:
    """Lock the part's tensors into memory, so that a GPU fetches them at the full speed of its bus."""
    for tensor in itertools.chain(part.parameters(), part.buffers()):
        tensor.data = tensor.data.pin_memory()


def stream(expert: Any, device: torch.device) -> None:
    """From now on the expert's blocks are on `device` only while they work, and the next is fetched meanwhile."""
    cuda = device.type == "cuda"
    expert.enable_group_offload(
        device, torch.device("cpu"), "block_level", BLOCKS, use_stream=cuda, non_blocking=cuda, record_stream=cuda
    )


class InPieces(nn.Module):
    """A layer that takes the tokens of (B, N, D) in so many pieces, one after another."""

    def __init__(self, layer: nn.Module, pieces: int) -> None:
        super().__init__()
        self.layer, self.pieces = layer, pieces

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.layer(piece) for piece in x.chunk(self.pieces, dim=1)], dim=1)


def in_pieces(expert: Any, pieces: int) -> None:
    """Let the feed-forward nets, whose inner values are the largest, take the tokens in pieces; 1: all at once."""
    for block in expert.blocks:
        layer = block.ffn.layer if isinstance(block.ffn, InPieces) else block.ffn
        block.ffn = layer if pieces == 1 else InPieces(layer, pieces)
