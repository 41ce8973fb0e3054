"""Batches of drawn clips, each a function of (seed, step), so that a resumed training sees what it would have seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from tqdm import trange
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import parallel
from distill.captions import paraphrase
from distill.world import ALL, PERIOD_S, TRAIN, Camera, Combination, Shot, draw
from wan_demo.decode import normalised, to_pixels
from wan_demo.presets import find
from wan_demo.shapes import ClipShape
from wan_demo.text import encode_prompts


def camera_of(shape: ClipShape) -> Camera:
    """The camera that draws clips of a shape."""
    return Camera(shape.frames, float(shape.fps), shape.width, shape.height)


FULL, FEW = find("pocket", "full"), find("pocket", "distilled")
LAYOUT, FINISH = camera_of(FULL.layout), camera_of(FULL.finish)
STILL = replace(LAYOUT, frames=1)


@dataclass(frozen=True)
class PixelBatch:
    """x: clips (B, 3, F, H, W) in [-1, 1]; weight: (B, 1, F, H, W), larger on the moving thing."""

    x: Tensor
    weight: Tensor


def generator(seed: int, step: int) -> np.random.Generator:
    """The random numbers of one training step."""
    return np.random.default_rng([seed, step])


def crops(seed: int, step: int, batch: int, frames: int, size: int, thing_weight: float) -> PixelBatch:
    """Square crops near the thing, half of them at layout size, half at finish size."""
    rng = generator(seed, step)
    clips, weights = [], []
    for i in range(batch):
        camera = FINISH if i % 2 else LAYOUT
        camera = replace(camera, frames=frames, start_s=rng.uniform(0, PERIOD_S - (frames - 1) / camera.fps))
        width, height = camera.width, camera.height
        shot = draw(TRAIN[rng.integers(len(TRAIN))], int(rng.integers(2**31)), camera)
        centre = shot.truth.centre.mean(0) * (width, height) + rng.normal(0, size / 3, 2)
        x0, y0 = np.clip((centre - size / 2).astype(int), 0, (width - size, height - size))
        clips.append(to_pixels(shot.frames[:, y0 : y0 + size, x0 : x0 + size]))
        yy, xx = np.mgrid[y0 : y0 + size, x0 : x0 + size].astype(np.float32) + 0.5
        cx, cy = (shot.truth.centre * (width, height)).T[:, :, None, None]
        near = np.hypot(xx - cx, yy - cy) < 1.25 * height * shot.truth.radius[:, None, None]
        weights.append(torch.from_numpy(1 + (thing_weight - 1) * near.astype(np.float32))[None])
    return PixelBatch(torch.stack(clips), torch.stack(weights))


@dataclass(frozen=True)
class LatentSet:
    """Encoded clips: x (N, C, T, H, W) normalised; which (N,) indices into world.ALL; near (N, T, H, W): the thing."""

    x: Tensor
    which: Tensor
    near: Tensor

    def __len__(self) -> int:
        return len(self.x)


def encode_set(
    vae: AutoencoderKLWan, camera: Camera, seed: int, count: int, pool: Sequence[Combination] = TRAIN, batch: int = 8
) -> LatentSet:
    """Draw `count` clips of combinations from `pool` and encode them; normalised by the autoencoder's mean and std.

    A single frame is of a random moment.
    """
    encoded, which, near = [], [], []
    name = f"encode {camera.width}x{camera.height}"
    for start in trange(0, count, batch, desc=name, mininterval=5, disable=parallel.rank() > 0):
        shots = []
        for i in range(start, min(start + batch, count)):
            rng = generator(seed, i)
            combination = pool[int(rng.integers(len(pool)))]
            start_s = rng.uniform(0, PERIOD_S) if camera.frames == 1 else 0.0
            shots.append(draw(combination, int(rng.integers(2**31)), replace(camera, start_s=start_s)))
        z = normalised(torch.stack([to_pixels(shot.frames) for shot in shots]), vae).cpu()
        encoded.append(z.half())
        which += [ALL.index(shot.combination) for shot in shots]
        near += [_near(shot, z.shape[2:]) for shot in shots]
    return LatentSet(torch.cat(encoded), torch.tensor(which), torch.stack(near))


def _near(shot: Shot, size: Sequence[int]) -> Tensor:
    """Which latents (T, H, W) the thing touches; latent t > 0 covers frames 4t-3 .. 4t."""
    frames, height, width = size
    truth = shot.truth
    yy, xx = np.mgrid[:height, :width] + 0.5
    aspect = shot.frames.shape[2] / shot.frames.shape[1]
    out = np.zeros((frames, height, width), bool)
    for i in range(len(truth.radius)):
        dx, dy = (xx / width - truth.centre[i, 0]) * aspect, yy / height - truth.centre[i, 1]
        out[(i + 3) // 4] |= np.hypot(dx, dy) < 1.2 * truth.radius[i] + 0.5 / height
    return torch.from_numpy(out)


@dataclass(frozen=True)
class Boxes:
    """One box of latents from each of B clips: x0 and drift (B, C, t, h, w), near (B, t, h, w), which (B,)."""

    x0: Tensor
    drift: Tensor
    near: Tensor
    which: Tensor


def cut(
    latents: LatentSet, drift: Tensor, rows: np.ndarray, box: tuple[int, int, int], rng: np.random.Generator
) -> Boxes:
    """A box (t, h, w) from each of `rows` of a set, and of `drift` (N, C, T, H, W), most of them around the thing."""
    x0s, drifts, nears = [], [], []
    for row in rows:
        near = latents.near[row]
        spots = near.nonzero()
        middle = spots[rng.integers(len(spots))].numpy() if rng.random() < 0.85 else rng.integers(near.shape)
        start = np.clip(middle - rng.integers(box), 0, np.array(near.shape) - box)
        start[1:] -= start[1:] % 2  # tokens are 2x2 latents
        if rng.random() < 0.5:
            start[0] = 0  # the first latent is of another kind: it holds one frame, not four
        t, h, w = (slice(int(s), int(s) + n) for s, n in zip(start, box, strict=True))
        x0s.append(latents.x[row][:, t, h, w])
        drifts.append(drift[row][:, t, h, w])
        nears.append(near[t, h, w])
    return Boxes(torch.stack(x0s).float(), torch.stack(drifts).float(), torch.stack(nears), latents.which[rows])


class Captions:
    """Prompt embeddings of random paraphrases, by the frozen text encoder; `dropped` is the share of empty prompts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: UMT5EncoderModel, dropped: float = 0.1) -> None:
        self.tokenizer, self.encoder, self.dropped = tokenizer, encoder, dropped

    def embed(self, which: Sequence[int], rng: np.random.Generator) -> Tensor:
        """Embeddings (B, L, D) of a paraphrase of each combination, or of the empty prompt."""
        texts = ["" if rng.random() < self.dropped else paraphrase(ALL[i], rng) for i in which]
        return encode_prompts(texts, self.tokenizer, self.encoder).embeds

    def empty(self, count: int) -> Tensor:
        """The empty prompt's embeddings, (count, L, D)."""
        return encode_prompts([""] * count, self.tokenizer, self.encoder).embeds


def cached_set(
    path: Path, vae: AutoencoderKLWan, camera: Camera, seed: int, count: int, pool: Sequence[Combination] = TRAIN
) -> LatentSet:
    """`encode_set`, kept in a file."""
    if not path.exists():
        made = encode_set(vae, camera, seed, count, pool)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save((made.x, made.which, made.near), path)
    return LatentSet(*torch.load(path, weights_only=True))
