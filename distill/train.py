"""The training verbs, each run in every process of `distill.parallel`; the first process writes the weights."""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import (
    autoencoder,
    consistency,
    end_to_end,
    export,
    features,
    matching,
    parallel,
    refiner,
    teacher,
    text_encoder,
    upsampler,
)
from distill.config import Recipe
from distill.data import FEW, FINISHES, FULL, LAYOUTS, STILL, Shots
from distill.end_to_end import Drawn
from distill.latents import Finishes, LatentSet, cached_set
from distill.text_encoder import Captions
from distill.world import ATTRIBUTES, Camera
from wan_demo import models
from wan_demo.decode import by_onednn
from wan_demo.presets import Preset


def train_text(recipe: Recipe, runs: Path) -> None:
    tokenizer, encoder, shares = text_encoder.train(recipe.text, runs)
    if parallel.first():
        export.text(tokenizer, encoder, runs / "pocket")
        _tell(shares)


def train_autoencoder(recipe: Recipe, runs: Path) -> None:
    folder = runs / "pocket" / "vae"
    start = AutoencoderKLWan.from_pretrained(folder, torch_dtype=torch.float32).train() if folder.exists() else None
    vae = autoencoder.train(recipe.autoencoder, runs, start)
    if parallel.first():
        export.autoencoder(vae, runs / "pocket")


def train_upsampler(recipe: Recipe, runs: Path) -> None:
    have = Materials(recipe, runs)
    pairs = list(zip(have.small, have.finishes, strict=True))
    model = upsampler.train(recipe.upsampler, pairs, recipe.teacher.other_share, runs, have.upsampler)
    if parallel.first():
        export.upsampler(model, runs / "pocket")


def train_refiner(recipe: Recipe, runs: Path) -> None:
    plan = recipe.refiner
    moments = refiner.cached(runs / f"moments-{parallel.rank()}.pt", 4000 + parallel.rank(), plan.clips, plan.size)
    model = refiner.train(plan, moments, runs)
    if parallel.first():
        export.refiner(model, runs / "pocket")


def train_teacher(recipe: Recipe, runs: Path) -> None:
    have, plan = Materials(recipe, runs), recipe.teacher
    torch.manual_seed(plan.seed)
    first = begun(runs, "transformer") or teacher.build()
    high = teacher.train_high(plan, first.to(plan.device), have.layouts, have.stills, have.captions, runs)
    finishes = have.drifting(FULL, high)
    second = (begun(runs, "transformer_2") or copy.deepcopy(high)).to(plan.device).requires_grad_(True)
    low = teacher.train_low(plan, second, have.layouts, finishes, have.captions, runs)
    enlarger = have.upsampler
    if enlarger is not None:
        drawn = have.drawn(FULL, high)
        enlarger, low = end_to_end.train(recipe.end_to_end, plan, enlarger, low, drawn, have.captions, runs)
    if parallel.first():
        export.experts(high, low, runs / "pocket")
        if enlarger is not None:
            export.upsampler(enlarger, runs / "pocket")


def train_student(recipe: Recipe, runs: Path) -> None:
    have = Materials(recipe, runs)
    full, plan, edges = FULL.at(runs / "pocket"), recipe.student, FEW.schedule
    names = ("transformer", "transformer_2")
    experts = {name: models.load_expert(full.experts / name).to(plan.device) for name in names}

    def distil(i: int, edges: Sequence[float], steps: int, sampler: consistency.Sampler) -> WanTransformer3DModel:
        folder, guidance = runs / f"student-{names[i]}", FULL.guidances[i]
        return consistency.train(plan, experts[names[i]], edges, sampler, have.captions, steps, folder, guidance)

    share = recipe.teacher.other_share
    layouts = partial(consistency.layout_sampler, have.layouts, share)
    high = distil(0, edges.high, plan.high_steps, layouts(plan.batch))
    # Shapes and motions are settled there; the low-noise student has one step, and little to choose from.
    match, guide, folder = recipe.matching, experts[names[0]], runs / "matching"
    sampler, guidance = layouts(match.batch), FULL.guidances[0]
    high = matching.train(match, guide, high, edges.high, sampler, have.captions, folder, guidance)
    # The second student starts from what the first one, frozen, leaves it.
    boxes = consistency.box_sampler(have.drifting(FEW, high), share, plan.batch)
    low = distil(1, edges.low, plan.low_steps, boxes)
    if parallel.first():
        export.students(high, low, runs / "pocket", runs / "students")


def train_features(recipe: Recipe, runs: Path) -> None:
    eye = features.train(recipe.features, runs)
    if parallel.first():
        _tell(dict(zip(ATTRIBUTES, features.accuracy(eye), strict=True)))


def _tell(shares: Mapping[str, float]) -> None:
    print({name: round(share, 4) for name, share in shares.items()}, flush=True)


def begun(runs: Path, name: str) -> WanTransformer3DModel | None:
    """The expert to train on from, when `--start` or an earlier run left one."""
    folder = runs / "pocket" / name
    return models.load_expert(folder).train() if folder.exists() else None


class Materials:
    """What training is fed with: captions, and this process's own clips, encoded on first use and kept in files.

    Of clips there is a set for each shape (an aspect-ratio bucket), the usual one first; two things have no room in the
    others. moves: they tell what moves, for the motion loss.
    """

    def __init__(self, recipe: Recipe, runs: Path, moves: bool = False) -> None:
        self.plan, self.runs, self.weights = recipe.teacher, runs, runs / "pocket"
        self.moves = moves or self.plan.motion > 0

    @cached_property
    def captions(self) -> Captions:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(self.weights / "tokenizer")
        encoder = UMT5EncoderModel.from_pretrained(self.weights / "text_encoder", dtype=torch.float32)
        return Captions(tokenizer, encoder.eval().to(self.plan.device))

    @cached_property
    def vae(self) -> AutoencoderKLWan:
        vae = AutoencoderKLWan.from_pretrained(self.weights / "vae", torch_dtype=torch.float32).eval()
        return by_onednn(vae.to(self.plan.device), torch.device(self.plan.device))

    @cached_property
    def layouts(self) -> list[LatentSet]:
        return self._sets("layout", LAYOUTS, 1000, self.plan.layouts, self.plan.others)

    @cached_property
    def stills(self) -> LatentSet:
        return self._set("still", STILL, 3000, self.plan.stills)

    @cached_property
    def finishes(self) -> list[LatentSet]:
        return self._sets("finish", FINISHES, 2000, self.plan.finishes, self.plan.other_finishes)

    @cached_property
    def small(self) -> list[LatentSet]:
        """The layouts of the finishes' shots."""
        return self._sets("small", LAYOUTS, 2000, self.plan.finishes, self.plan.other_finishes)

    @property
    def upsampler(self) -> LTXLatentUpsamplerModel | None:
        """As it is in the folder now; None where there is none, and latents are interpolated."""
        model = models.load_upsampler(self.weights / "upsampler")
        return model if model is None else model.to(self.plan.device)

    def drawn(self, preset: Preset, high: WanTransformer3DModel) -> list[Drawn]:
        """The finishes, and what `high` makes of their layouts."""
        estimates = [teacher.estimate(self.plan, preset, high, small, self.captions) for small in self.small]
        return [Drawn(clips, estimate) for clips, estimate in zip(self.finishes, estimates, strict=True)]

    def drifting(self, preset: Preset, high: WanTransformer3DModel) -> list[Finishes]:
        """The finishes, with the drift that they have where `high` made their layouts."""
        start, enlarger, batch = preset.schedule.low[0], self.upsampler, self.plan.batch
        sets = self.drawn(preset, high)
        return [Finishes(d.clips, teacher.measure_drift(d.estimates, d.clips, start, enlarger, batch)) for d in sets]

    def _sets(self, name: str, cameras: Sequence[Camera], seed: int, count: int, each: int) -> list[LatentSet]:
        """count: clips of the usual shape, the first; each: of each other one, 0 for none of these."""
        usual, *others = cameras
        made = [self._set(name, usual, seed, count)]
        if each:
            made += [self._set(f"{name}-{c.width}x{c.height}", c, seed, each, alone=True) for c in others]
        return made

    def _set(self, name: str, camera: Camera, seed: int, count: int, alone: bool = False) -> LatentSet:
        path = self.runs / "latents" / f"{name}-{parallel.rank()}.pt"
        plan = self.plan
        shots = Shots(camera, seed + parallel.rank(), count, plan.often, self.captions.tokenizer, alone, self.moves)
        return cached_set(path, self.vae, shots, plan.encoded, plan.renderers).to(plan.device)


VERBS = {
    "text": train_text,
    "autoencoder": train_autoencoder,
    "upsampler": train_upsampler,
    "refiner": train_refiner,
    "teacher": train_teacher,
    "student": train_student,
    "features": train_features,
}
