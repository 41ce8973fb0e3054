"""A small network that tells what rendered clips show. Its inner features are what clips are compared by, as sets.

The pixel judge says whether a clip is right; the distance between sets of features (Frechet, as in FID, arXiv
1706.08500) says how far generated clips are, in all that the network sees, from clips that the world draws.
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from distill import parallel
from distill.checkpoint import Run
from distill.config import FeaturesRecipe
from distill.data import generator
from distill.things import Floats
from distill.world import ATTRIBUTES, HELD_OUT, TRAIN, VALUES, Camera, Combination, Frames, draw
from wan_demo.decode import to_pixels

SHIPPED = Path(__file__).with_name("features.safetensors")
WIDTH, HEIGHT, FRAMES = 112, 64, 9  # what it looks at: a two-second clip at four frames a second
SIZE = 32  # features: few, so that a few hundred clips show how they vary together
CAMERA = Camera(FRAMES, 4.0, WIDTH, HEIGHT)


class Eye(nn.Module):
    """Frames one by one, then time, then 32 features, then thing, colour, scene and motion."""

    def __init__(self) -> None:
        super().__init__()
        widths = (5, 16, 32, 48, 64)  # red, green, blue, and where the pixel lies
        layers = [
            layer for a, b in pairwise(widths) for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.SiLU())
        ]
        # The largest answer anywhere, so that a shape is learned once for all places; the last channels tell the place.
        self.frame = nn.Sequential(*layers, nn.Conv2d(64, 64, 3, 1, 1), nn.SiLU(), nn.AdaptiveMaxPool2d(1))
        self.time = nn.Sequential(nn.Conv1d(64, 64, 3), nn.SiLU(), nn.Conv1d(64, 64, 3, 2), nn.SiLU(), nn.Flatten())
        self.features = nn.Linear(64 * ((FRAMES - 4) // 2 + 1), SIZE)
        self.heads = nn.ModuleList(nn.Linear(SIZE, len(VALUES[name])) for name in ATTRIBUTES)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x (B, 3, FRAMES, HEIGHT, WIDTH) in [-1, 1] -> features (B, SIZE), and logits."""
        b, _, f = x.shape[:3]
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, WIDTH), indexing="ij")
        place = torch.stack([rows, columns]).expand(b * f, 2, HEIGHT, WIDTH)
        seen = self.frame(torch.cat([x.transpose(1, 2).flatten(0, 1), place], 1)).view(b, f, 64)
        features = self.features(self.time(seen.transpose(1, 2)))
        return features, [head(F.silu(features)) for head in self.heads]


def labels(what: Combination) -> list[int]:
    """Indices of thing, colour, scene and motion."""
    return [VALUES[name].index(getattr(what, name)) for name in ATTRIBUTES]


def train(recipe: FeaturesRecipe, runs: Path) -> Eye:
    """Train on rendered clips of training combinations, some of them softened, all noisy; writes the weights."""
    torch.manual_seed(recipe.seed)
    eye = Eye()
    rng = generator(recipe.seed, 2**31 + parallel.rank())
    chosen = [TRAIN[i] for i in rng.integers(len(TRAIN), size=recipe.clips)]
    drawn = np.stack([draw(c, int(rng.integers(2**31)), CAMERA).frames for c in chosen])
    truth = torch.tensor([labels(c) for c in chosen])

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        rows = rng.integers(len(drawn), size=recipe.batch)
        clips = torch.stack([to_pixels(frames) for frames in drawn[rows]])
        clips = clips + rng.uniform(0, 0.08) * torch.from_numpy(rng.standard_normal(clips.shape, np.float32))
        if rng.random() < 0.5:
            clips = F.avg_pool3d(clips, (1, 3, 3), 1, (0, 1, 1), count_include_pad=False)
        _, logits = eye(clips)
        return torch.stack([F.cross_entropy(row, truth[rows, i]) for i, row in enumerate(logits)]).sum()

    Run(runs / "features", eye, torch.optim.AdamW(eye.parameters(), lr=recipe.lr)).fit(recipe.steps, loss)
    if parallel.rank() == 0:
        save_file(eye.state_dict(), runs / "features.safetensors")
    return eye.eval()


def load(path: Path = SHIPPED) -> Eye:
    eye = Eye()
    eye.load_state_dict(load_file(path))
    return eye.eval()


@torch.no_grad()
def look(eye: Eye, frames: Frames, fps: float) -> Floats:
    """The features (SIZE,) of a clip (F, H, W, 3) of two seconds or a little more."""
    moments = np.minimum(np.round(np.arange(FRAMES) / CAMERA.fps * fps).astype(int), len(frames) - 1)
    small = np.stack([cv2.resize(frames[i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for i in moments])
    return np.asarray(eye(to_pixels(np.asarray(small, np.uint8))[None])[0][0].numpy())


@torch.no_grad()
def accuracy(eye: Eye) -> list[float]:
    """Shares of rendered clips of held-out combinations whose thing, colour, scene and motion it tells right."""
    clips = torch.stack([to_pixels(draw(c, i, CAMERA).frames) for i, c in enumerate(HELD_OUT)])
    truth = torch.tensor([labels(c) for c in HELD_OUT])
    return [float((row.argmax(1) == truth[:, i]).float().mean()) for i, row in enumerate(eye(clips)[1])]


def frechet(a: Floats, b: Floats) -> float:
    """Frechet distance of the Gaussians that fit two sets of features (N, D), N > D."""
    means, (s, t) = a.mean(0) - b.mean(0), (np.cov(x, rowvar=False) for x in (a, b))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(s @ t).real, 0))
    return float(means @ means + np.trace(s) + np.trace(t) - 2 * roots.sum())
