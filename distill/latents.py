"""Drawn clips as latents: encoded once, kept in files, and cut into what a step of training learns from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from tqdm import tqdm

from distill import parallel
from distill.checkpoint import kept
from distill.data import Shots, rendered
from wan_demo.decode import normalised, to_pixels

Some = TypeVar("Some")


@dataclass(frozen=True)
class LatentSet:
    """Encoded clips: x (N, C, T, H, W), normalised; near and moves (N, T, H, W); texts (N, K, L): captions' tokens.

    near: where the things are. moves: how far it moves, see `moving`.
    """

    x: Tensor
    near: Tensor
    moves: Tensor
    texts: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: str) -> "LatentSet":
        return LatentSet(*(getattr(self, f.name).to(device) for f in fields(self)))

    def examples(self, rows: Tensor) -> "Examples":
        """Whole clips to learn from, without drift."""
        x = self.x[rows].float()
        return Examples(x, self.near[rows], self.moves[rows], self.texts[rows], x.new_zeros(()))


@dataclass(frozen=True)
class Examples:
    """What a step learns from, B clips or boxes of them: fields as in a LatentSet; drift: added to the noise."""

    x: Tensor
    near: Tensor
    moves: Tensor
    texts: Tensor
    drift: Tensor


@dataclass(frozen=True)
class Finishes:
    """Clips at finish size, and the drift of each, (N, C, T, H, W): see `teacher.measure_drift`."""

    clips: LatentSet
    drift: Tensor


def sample_set(sets: Sequence[Some], share: float, dice: np.random.Generator) -> Some:
    """The set of one step: the first, of the usual shape, but each of the others in `share` of the steps."""
    others = len(sets) - 1
    return sets[dice.choice(len(sets), p=[1 - share * others, *[share] * others])]


def pick(clips: LatentSet, count: int, rng: torch.Generator) -> Tensor:
    """Random rows of a set."""
    return torch.randint(len(clips), (count,), generator=rng, device=rng.device)


def encode_set(vae: AutoencoderKLWan, shots: Shots, batch: int = 8, renderers: int = 0) -> LatentSet:
    """Draw clips and encode them; normalised by the autoencoder's mean and std."""
    encoded, told = [], []
    name = f"encode {shots.camera.width}x{shots.camera.height}"
    with tqdm(total=len(shots), desc=name, mininterval=5, disable=parallel.rank() > 0) as bar:
        for frames, *others in rendered(shots, batch, renderers):
            encoded.append(normalised(to_pixels(frames.to(vae.device)), vae).half().cpu())
            told.append(others)
            bar.update(len(frames))
    return LatentSet(torch.cat(encoded), *map(torch.cat, zip(*told, strict=True)))


def cached_set(path: Path, vae: AutoencoderKLWan, shots: Shots, batch: int = 8, renderers: int = 0) -> LatentSet:
    """`encode_set`, kept in a file; of another encoder or tokenizer, or other shots, it raises ValueError."""

    def make() -> list[Tensor]:
        made = encode_set(vae, shots, batch, renderers)
        return [getattr(made, f.name) for f in fields(made)]

    made_with = hashlib.sha256()
    for weights in (*vae.encoder.parameters(), *vae.quant_conv.parameters()):
        made_with.update(weights.detach().cpu().contiguous().numpy())
    made_with.update(str(sorted(shots.tokenizer.get_vocab().items())).encode() if shots.tokenizer else b"")
    facts = f"{shots.camera} {shots.seed} {shots.count} {shots.often} {made_with.hexdigest()}"
    facts += " alone" * shots.alone + " moves" * shots.moves
    return LatentSet(*kept(path, facts, make))


def cut(finishes: Finishes, rows: Tensor, box: tuple[int, int, int], rng: torch.Generator) -> Examples:
    """A box (t, h, w) from each of `rows` of clips, most of them around a thing."""
    latents = finishes.clips
    near, device = latents.near[rows], latents.x.device
    size = torch.tensor(near.shape[1:], device=device)
    shape = torch.tensor(box, device=device)

    def uniform(*count: int) -> Tensor:
        return torch.rand(count, generator=rng, device=device)

    likely = near.flatten(1).float() + 1e-6  # a clip's things, or anything where there are none
    likely[uniform(len(rows)) > 0.85] = 1.0
    spot = torch.multinomial(likely, 1, generator=rng)[:, 0]
    middle = torch.stack(torch.unravel_index(spot, near.shape[1:]), 1)
    start = (middle - (uniform(len(rows), 3) * shape).long()).clamp(min=0).minimum(size - shape)
    start[:, 1:] -= start[:, 1:] % 2  # tokens are 2x2 latents
    start[uniform(len(rows)) < 0.5, 0] = 0  # the first latent is of another kind: it holds one frame, not four
    t, h, w = (start[:, i, None] + torch.arange(box[i], device=device) for i in range(3))
    clip, at = rows[:, None, None, None], (t[:, :, None, None], h[:, None, :, None], w[:, None, None, :])

    def taken(x: Tensor) -> Tensor:
        return x[clip, :, *at].movedim(-1, 1).float()

    told = (latents.near[clip, *at], latents.moves[clip, *at], latents.texts[rows])
    return Examples(taken(latents.x), *told, taken(finishes.drift))
