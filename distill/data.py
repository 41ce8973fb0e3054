"""Drawn clips for training, each a function of its seed, so that a resumed training sees what it would have seen."""

import hashlib
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import parallel
from distill.captions import CODES, paraphrase
from distill.checkpoint import kept
from distill.config import AutoencoderRecipe, Often
from distill.measures import flow_lengths
from distill.world import PERIOD_S, TRAIN, Camera, Combination, Frames, Shot, What, draw, pair, parts, varied
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


def choose(rng: np.random.Generator, often: Often = ()) -> What:
    """What a training clip shows: nothing that is held out."""
    times, most = dict(often), math.prod(n for _, n in often)
    kind = rng.random()
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

    A single frame is of a random moment. Without a tokenizer there are no captions.
    """

    camera: Camera
    seed: int
    count: int
    often: Often = ()
    tokenizer: PreTrainedTokenizerFast | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = generator(self.seed, i)
        what = choose(rng, self.often)
        start_s = rng.uniform(0, PERIOD_S) if self.camera.frames == 1 else 0.0
        shot = draw(what, int(rng.integers(2**31)), replace(self.camera, start_s=start_s))
        return torch.from_numpy(shot.frames), touched(shot), moving(shot.frames), self._captions(what, rng)

    def _captions(self, what: What, rng: np.random.Generator) -> Tensor:
        if self.tokenizer is None:
            return torch.zeros(0, 0, dtype=torch.int16)
        texts = [paraphrase(what, rng, language(rng)) for _ in range(CAPTIONS)]
        ids: Tensor = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return ids.to(torch.int16)


def touched(shot: Shot) -> Tensor:
    """Which latents (T, H, W), of 8x8 pixels, the things touch; latent t > 0 covers frames 4t-3 .. 4t."""
    frames, height, width = shot.frames.shape[:3]
    yy, xx = (np.mgrid[: height // 8, : width // 8] + 0.5) * 8 / height
    out = np.zeros(((frames + 3) // 4, *yy.shape), bool)
    for truth in shot.truths:
        for i, ((x, y), radius) in enumerate(zip(truth.centre, truth.radius, strict=True)):
            out[(i + 3) // 4] |= np.hypot(xx - x * width / height, yy - y) < 1.2 * radius + 4 / height
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
            near |= np.hypot(xx - cx, yy - cy) < 1.25 * height * truth.radius[:, None, None]
        weight = torch.from_numpy(1 + (self.recipe.thing_weight - 1) * near.astype(np.float32))
        return to_pixels(shot.frames[:, y0 : y0 + size, x0 : x0 + size]), weight[None]


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
    """`encode_set`, kept in a file; of another encoder, or other shots, it raises ValueError."""

    def make() -> list[Tensor]:
        made = encode_set(vae, shots, batch, renderers)
        return [getattr(made, f.name) for f in fields(made)]

    encoder = hashlib.sha256()
    for weights in (*vae.encoder.parameters(), *vae.quant_conv.parameters()):
        encoder.update(weights.detach().cpu().contiguous().numpy())
    words = len(shots.tokenizer) if shots.tokenizer else 0
    facts = f"{shots.camera} {shots.seed} {shots.count} {shots.often} {words} {encoder.hexdigest()}"
    return LatentSet(*kept(path, facts, make))


def cut(latents: LatentSet, drift: Tensor, rows: Tensor, box: tuple[int, int, int], rng: torch.Generator) -> Examples:
    """A box (t, h, w) from each of `rows` of a set, and of `drift` (N, C, T, H, W), most of them around a thing."""
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
    return Examples(taken(latents.x), *told, taken(drift))


class Captions:
    """Embeddings of captions by the frozen text encoder."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: UMT5EncoderModel) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder

    @torch.no_grad()
    def embed(self, texts: Tensor, rng: torch.Generator, dropped: float = 0.0) -> Tensor:
        """Embeddings (B, L, D) of one of each row's captions, texts (B, K, L); of a share, of the empty prompt."""
        count, device = len(texts), texts.device
        ids = texts[
            torch.arange(count, device=device), torch.randint(texts.shape[1], (count,), generator=rng, device=device)
        ]
        ids = torch.where(torch.rand(count, 1, generator=rng, device=device) < dropped, self._blank(texts), ids)
        mask = (ids != self.tokenizer.pad_token_id).long()
        made: Tensor = self.encoder(ids.long(), mask).last_hidden_state * mask[..., None]
        return made

    def empty(self, count: int) -> Tensor:
        """The empty prompt's embeddings, (count, L, D)."""
        return encode_prompts([""] * count, self.tokenizer, self.encoder).embeds

    def _blank(self, texts: Tensor) -> Tensor:
        blank = torch.full((texts.shape[2],), self.tokenizer.pad_token_id, dtype=texts.dtype)
        blank[0] = self.tokenizer.eos_token_id
        return blank.to(texts.device)
