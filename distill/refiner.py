"""Trains the refiner of frames in between (`wan_demo/finish/refine.py`): four frames, and a moment between the middle
two to draw. Half of them show the world, half `sprites`."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import trange

from distill import parallel
from distill.checkpoint import Ema, Run, kept
from distill.config import RefinerRecipe
from distill.data import FINISH, generator
from distill.muon import MuonAdamW
from distill.sprites import Frame, Scene
from distill.world import PERIOD_S, TRAIN, Camera, draw
from wan_demo.clip import Clip
from wan_demo.finish.frame_rate import guesses_at
from wan_demo.finish.refine import Refiner, choices, hints
from wan_demo.finish.warp import Guess

MOMENTS = 3  # drawn between the same two frames
_ROUNDING = 0.2  # squared error, of 255, that rounding leaves: nothing is gained below it


@dataclass(frozen=True)
class Moments:
    """pictures (N, K + 1, 3, S, S) uint8, the choices and the truth; known (N, HINTS, S, S) float16."""

    pictures: Tensor
    known: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


def collect(seed: int, count: int, size: int) -> Moments:
    """Draw `count` clips, every other one of the world; of each, MOMENTS boxes of `size` pixels where flow errs."""
    pictures, known = [], []
    for i in trange(count, desc="moments", disable=parallel.rank() > 0):
        rng = generator(seed, i)
        for guess, truth in _moments(rng, world=i % 2 == 0):
            y, x = _worst(guess, truth, size, rng)
            box = (slice(y, y + size), slice(x, x + size))
            shown = [picture[box].transpose(2, 0, 1) for picture in (*choices(guess), truth)]
            pictures.append(torch.from_numpy(np.stack(shown)))
            known.append(torch.from_numpy(hints(guess)[:, box[0], box[1]].astype(np.float16)))
    return Moments(torch.stack(pictures), torch.stack(known))


def cached(path: Path, seed: int, count: int, size: int) -> Moments:
    """`collect`, kept in a file; of another seed, count or size, it raises ValueError."""

    def make() -> list[Tensor]:
        made = collect(seed, count, size)
        return [made.pictures, made.known]

    return Moments(*kept(path, f"{seed} {count} {size}", make))


def _moments(rng: np.random.Generator, world: bool) -> Iterator[tuple[Guess, Frame]]:
    """Guesses between the second and the third of four frames, and what is truly seen then."""
    shot = _world(rng) if world else _sprites(rng)
    frames, truths, whens = shot
    moments = [Fraction(1) + Fraction(when).limit_denominator(1000) for when in whens]
    guesses = guesses_at(Clip(frames, Fraction(1)), moments)
    for guess, truth in zip(guesses, truths, strict=True):
        if isinstance(guess, Guess):  # else a cut was seen in it
            yield guess, truth


def _world(rng: np.random.Generator) -> tuple[Frame, list[Frame], list[float]]:
    combination, seed, whens = TRAIN[rng.integers(len(TRAIN))], int(rng.integers(2**31)), _whens(rng)
    fps = FINISH.fps
    start = rng.uniform(0, PERIOD_S - 3 / fps)

    def seen(moment: float, count: int) -> Frame:
        camera = Camera(count, fps, FINISH.width, FINISH.height, start + moment / fps)
        return draw(combination, seed, camera).frames

    return seen(0, 4), [seen(1 + when, 1)[0] for when in whens], whens


def _sprites(rng: np.random.Generator) -> tuple[Frame, list[Frame], list[float]]:
    scene, whens = Scene(int(rng.integers(2**31)), FINISH.height, FINISH.width), _whens(rng)
    return np.stack([scene.at(k) for k in (-1, 0, 1, 2)]), [scene.at(when) for when in whens], whens


def _whens(rng: np.random.Generator) -> list[float]:
    return [round(float(when), 3) for when in rng.uniform(0.05, 0.95, MOMENTS)]


def _worst(guess: Guess, truth: Frame, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """The corner (y, x) of a box around a pixel, drawn the likelier the more plain flow errs there."""
    error = np.square(guess.mixed - truth).sum(2)
    height, width = error.shape
    wrong = error.ravel().astype(np.float64) + 1e-3
    y, x = divmod(int(rng.choice(error.size, p=wrong / wrong.sum())), width)
    y, x = (int(at - size * rng.uniform(0.2, 0.8)) for at in (y, x))
    return min(max(y, 0), height - size), min(max(x, 0), width - size)


def turned(pictures: Tensor, known: Tensor, across: bool, down: bool, backwards: bool) -> tuple[Tensor, Tensor]:
    """A batch mirrored, upside down, or played backwards: as true as before."""
    known = known.clone()
    for axis, rows, wanted in ((-1, (3, 5), across), (-2, (4, 6), down)):
        if wanted:
            pictures, known = pictures.flip(axis), known.flip(axis)
            known[:, rows] *= -1
    if backwards:
        pictures = pictures[:, [1, 0, 3, 2, 5, 4, 6]]
        known = torch.cat([1 - known[:, :1], known[:, [2, 1]], -known[:, [5, 6, 3, 4]], 1 - known[:, 7:]], 1)
    return pictures, known


def train(recipe: RefinerRecipe, moments: Moments, runs: Path) -> Refiner:
    """Train on collected moments; returns the average weights. The loss is the logarithm of the squared error: dB."""
    torch.manual_seed(recipe.seed)
    model = Refiner().to(recipe.device).train()

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        rows = torch.from_numpy(rng.integers(len(moments), size=recipe.batch))
        colours, ways = rng.permutation(3), [rng.random() < 0.5 for _ in range(3)]
        pictures, known = turned(moments.pictures[rows][:, :, colours], moments.known[rows].float(), *ways)
        pictures, known = pictures.to(recipe.device).float(), known.to(recipe.device)
        error = (model(pictures[:, :-1], known) - pictures[:, -1]).square().mean((1, 2, 3))
        value: Tensor = (error + _ROUNDING).log().mean()
        return value

    ema = Ema(model, 0.99)
    Run(runs / "refiner", model, MuonAdamW(model, recipe.lr), ema).fit(recipe.steps, loss)
    trained: Refiner = ema.module  # type: ignore[assignment]
    return trained
