"""Drawn clips for training, each a function of its seed, so that a resumed training sees what it would have seen."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerFast

from distill import parallel
from distill.captions import CODES, paraphrase, plain
from distill.config import AutoencoderRecipe, Often
from distill.measures import flow_lengths
from distill.tokenizer import knows
from distill.world import PERIOD_S, TRAIN, Camera, Combination, Frames, Shot, What, draw, pair, parts, varied
from wan_demo.decode import to_pixels
from wan_demo.presets import find
from wan_demo.shapes import ClipShape


def camera_of(shape: ClipShape) -> Camera:
    """The camera that draws clips of a shape."""
    return Camera(shape.frames, float(shape.fps), shape.width, shape.height)


FULL, FEW = find("pocket", "full"), find("pocket", "distilled")
LAYOUTS, FINISHES = (tuple(map(camera_of, some)) for some in zip(*FULL.drawings, strict=True))
LAYOUT, FINISH = LAYOUTS[0], FINISHES[0]
STILL = replace(LAYOUT, frames=1)
PAIRS, VARIED, ENGLISH = 0.5, 0.25, 0.4  # shares: clips of two things; varied ones of one; captions
CAPTIONS = 8  # kept of each clip


def generator(seed: int, step: int) -> np.random.Generator:
    """The random numbers of one training step, on the CPU."""
    return np.random.default_rng([seed, step])


def generator_on(device: torch.device, seed: int, step: int) -> torch.Generator:
    """The random numbers of one training step, on a device."""
    made = torch.Generator(device)
    return made.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))


def uniform(count: int, rng: torch.Generator) -> Tensor:
    """In [0, 1)."""
    return torch.rand(count, generator=rng, device=rng.device)


def gaussian(like: Tensor, rng: torch.Generator) -> Tensor:
    """Unit noise of a shape."""
    return torch.randn(like.shape, generator=rng, device=rng.device)


def choose(rng: np.random.Generator, often: Often = (), alone: bool = False) -> What:
    """What a training clip shows: nothing that is held out; where it is alone, one thing."""
    times, most = dict(often), math.prod(n for _, n in often)
    kind = rng.uniform(PAIRS if alone else 0, 1)
    while True:
        what: What = pair(rng, lively=rng.random() < 0.3) if kind < PAIRS else TRAIN[rng.integers(len(TRAIN))]
        shown = parts(what)
        each = max(times.get(one.motion, 1) * times.get(one.colour, 1) for one in shown)
        weight = times.get(shown[0].scene, 1) * each
        if rng.random() * most < weight:
            break
    return varied(what, rng) if isinstance(what, Combination) and kind < PAIRS + VARIED else what


def language(rng: np.random.Generator) -> str:
    """Of a training caption: one of CODES, English the most."""
    return "en" if rng.random() < ENGLISH else CODES[rng.integers(len(CODES))]


@dataclass(frozen=True)
class Shots(Dataset[tuple[Tensor, ...]]):
    """Clip i of a seed through a camera: frames (F, H, W, 3) uint8, where the things are, what moves, captions' tokens.

    A single frame is of a random moment. Without a tokenizer there are no captions; with one, all is said in words that
    it has. alone: see `choose`. moves: what moves is told; else nothing does, and drawing takes a fifth of the time.
    """

    camera: Camera
    seed: int
    count: int
    often: Often = ()
    tokenizer: PreTrainedTokenizerFast | None = None
    alone: bool = False
    moves: bool = False

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = generator(self.seed, i)
        what = choose(rng, self.often, self.alone)
        while not knows(self.tokenizer, plain(what)):
            what = choose(rng, self.often, self.alone)
        start_s = rng.uniform(0, PERIOD_S) if self.camera.frames == 1 else 0.0
        shot = draw(what, int(rng.integers(2**31)), replace(self.camera, start_s=start_s))
        near = touched(shot)
        moves = moving(shot.frames) if self.moves else torch.zeros(near.shape, dtype=torch.half)
        return torch.from_numpy(shot.frames), near, moves, self._captions(what, rng)

    def _captions(self, what: What, rng: np.random.Generator) -> Tensor:
        if self.tokenizer is None:
            return torch.zeros(0, 0, dtype=torch.int16)
        texts: list[str] = []
        while len(texts) < CAPTIONS:
            text = paraphrase(what, rng, language(rng))
            texts += [text] if knows(self.tokenizer, text) else []
        ids: Tensor = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return ids.to(torch.int16)


def touched(shot: Shot) -> Tensor:
    """Which latents (T, H, W), of 8x8 pixels, the things touch; latent t > 0 covers frames 4t-3 .. 4t."""
    frames, height, width = shot.frames.shape[:3]
    yy, xx = (np.mgrid[: height // 8, : width // 8] + 0.5) * 8
    out = np.zeros(((frames + 3) // 4, *yy.shape), bool)
    for truth in shot.truths:
        for i, ((x, y), radius) in enumerate(zip(truth.centre, truth.radius, strict=True)):
            out[(i + 3) // 4] |= np.hypot(xx - x * width, yy - y * height) < 1.2 * radius * min(width, height) + 4
    return torch.from_numpy(out)


def moving(frames: Frames) -> Tensor:
    """How far a latent's 8x8 pixels move from frame to frame, in pixels, by the optical flow: (T, H, W) half."""
    size = (frames.shape[2] // 8, frames.shape[1] // 8)
    lengths = np.nan_to_num(flow_lengths([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames])).astype(np.float32)
    small = [np.zeros(size[::-1], np.float32), *(cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in lengths)]
    latents = [small[:1], *(small[i : i + 4] for i in range(1, len(small), 4))]
    return torch.from_numpy(np.stack([np.mean(some, 0) for some in latents])).half()


def rendered(
    shots: Dataset[tuple[Tensor, ...]], batch: int | None, renderers: int, start: int = 0
) -> DataLoader[tuple[Tensor, ...]]:
    """Items of a dataset from `start` on, in order, in batches; renderers: processes that draw, 0 for this one."""
    rows = range(start, len(shots))  # type: ignore[arg-type]
    options = {"prefetch_factor": 2, "worker_init_fn": _one_thread} if renderers else {}
    return DataLoader(shots, batch, sampler=rows, num_workers=renderers, **options)  # type: ignore[arg-type]


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)


@dataclass(frozen=True)
class Crops(Dataset[tuple[Tensor, ...]]):
    """The autoencoder's batch of each step: square crops near a thing, most at finish size, a quarter at layout size.

    Clips (B, 3, F, size, size) in [-1, 1], and weights (B, 1, F, size, size), larger on the moving things. frames: of a
    clip; of single ones there are four times as many.
    """

    recipe: AutoencoderRecipe
    frames: int
    steps: int
    often: Often = ()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = generator(self.recipe.seed, parallel.shard(step))
        batch = self.recipe.batch * (4 if self.frames == 1 else 1)
        clips, weights = zip(*(self._crop(rng, FINISH if i % 4 else LAYOUT) for i in range(batch)), strict=True)
        return torch.stack(clips), torch.stack(weights)

    def _crop(self, rng: np.random.Generator, camera: Camera) -> tuple[Tensor, Tensor]:
        size = self.recipe.crop
        start_s = rng.uniform(0, PERIOD_S - (self.frames - 1) / camera.fps)
        width, height = camera.width, camera.height
        what, seed = choose(rng, self.often), int(rng.integers(2**31))
        shot = draw(what, seed, replace(camera, frames=self.frames, start_s=start_s))
        about = shot.truths[rng.integers(len(shot.truths))].centre.mean(0) * (width, height)
        x0, y0 = np.clip((about + rng.normal(0, size / 3, 2) - size / 2).astype(int), 0, (width - size, height - size))
        yy, xx = np.mgrid[y0 : y0 + size, x0 : x0 + size].astype(np.float32) + 0.5
        near = np.zeros((self.frames, size, size), bool)
        for truth in shot.truths:
            cx, cy = (truth.centre * (width, height)).T[:, :, None, None]
            near |= np.hypot(xx - cx, yy - cy) < 1.25 * camera.side * truth.radius[:, None, None]
        weight = torch.from_numpy(1 + (self.recipe.thing_weight - 1) * near.astype(np.float32))
        return to_pixels(shot.frames[:, y0 : y0 + size, x0 : x0 + size]), weight[None]
