"""The training verbs, each run in every process of `distill.parallel`; the first process writes the weights."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import autoencoder, consistency, export, parallel, teacher, text_encoder
from distill.config import Recipe
from distill.data import FEW, FINISH, FULL, LAYOUT, Captions, LatentSet, cached_set
from wan_demo import models
from wan_demo.presets import Preset


def moved(preset: Preset, weights: Path) -> Preset:
    """The preset with its weights in another folder."""
    return replace(preset, weights=weights, experts=weights / preset.experts.relative_to(preset.weights))


def train_text(recipe: Recipe, runs: Path) -> None:
    tokenizer, encoder = text_encoder.train(recipe.text, runs)
    if parallel.rank() == 0:
        export.text(tokenizer, encoder, runs / "pocket")


def train_autoencoder(recipe: Recipe, runs: Path) -> None:
    folder = runs / "pocket" / "vae"
    start = AutoencoderKLWan.from_pretrained(folder, torch_dtype=torch.float32).train() if folder.exists() else None
    vae = autoencoder.train(recipe.autoencoder, runs, start)
    if parallel.rank() == 0:
        export.autoencoder(vae, runs / "pocket")


def train_teacher(recipe: Recipe, runs: Path) -> None:
    captions, layouts, finishes, small = materials(recipe, runs)
    plan = recipe.teacher
    torch.manual_seed(plan.seed)
    first = begun(runs, "transformer") or teacher.build()
    high = teacher.train_high(plan, first.to(plan.device), layouts, captions, runs)
    drift = teacher.measure_drift(plan, FULL, high, small, finishes, captions)
    second = begun(runs, "transformer_2") or copy.deepcopy(high)
    low = teacher.train_low(plan, second.requires_grad_(True), layouts, finishes, drift, captions, runs)
    if parallel.rank() == 0:
        export.experts(high, low, runs / "pocket")


def train_student(recipe: Recipe, runs: Path) -> None:
    captions, layouts, finishes, small = materials(recipe, runs)
    full, plan, edges = moved(FULL, runs / "pocket"), recipe.student, FEW.schedule

    def distil(name: str, edges: Sequence[float], steps: int, sampler: consistency.Sampler) -> WanTransformer3DModel:
        expert = models.load_expert(full.experts / name).to(plan.device)
        return consistency.train(plan, expert, edges, sampler, captions, steps, runs / f"student-{name}")

    high = distil("transformer", edges.high, plan.high_steps, consistency.layout_sampler(layouts, plan.batch))
    # The second student starts from what the first one, frozen, leaves it.
    drift = teacher.measure_drift(recipe.teacher, FEW, high, small, finishes, captions)
    low = distil("transformer_2", edges.low, plan.low_steps, consistency.box_sampler(finishes, drift, plan.batch))
    if parallel.rank() == 0:
        export.students(high, low, runs / "pocket")


def begun(runs: Path, name: str) -> WanTransformer3DModel | None:
    """The expert to train on from, when `--start` or an earlier run left one."""
    folder = runs / "pocket" / name
    return models.load_expert(folder).train() if folder.exists() else None


def materials(recipe: Recipe, runs: Path) -> tuple[Captions, LatentSet, LatentSet, LatentSet]:
    """What both stages of expert training need: captions, and this process's own clips.

    Layouts; finishes; and the layouts of the finishes' shots.
    """
    folder, rank, plan = runs / "pocket", parallel.rank(), recipe.teacher
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    vae = AutoencoderKLWan.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval().to(plan.device)
    sets = [
        cached_set(runs / "latents" / f"{name}-{rank}.pt", vae, camera, seed + rank, count)
        for name, camera, seed, count in (
            ("layout", LAYOUT, 1000, plan.layouts),
            ("finish", FINISH, 2000, plan.finishes),
            ("small", LAYOUT, 2000, plan.finishes),
        )
    ]
    return Captions(tokenizer, encoder), sets[0], sets[1], sets[2]


VERBS = {"text": train_text, "autoencoder": train_autoencoder, "teacher": train_teacher, "student": train_student}
