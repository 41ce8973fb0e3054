"""The training verbs, each run in every process of `distill.parallel`; the first process writes the weights."""

import copy
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import autoencoder, consistency, export, parallel, teacher, text_encoder
from distill.config import Recipe
from distill.data import FINISH, LAYOUT, Captions, LatentSet, cached_set
from wan_demo import models
from wan_demo.presets import Preset, find


def moved(preset: Preset, weights: Path) -> Preset:
    """The preset with its weights in another folder."""
    return replace(preset, weights=weights, experts=weights / preset.experts.relative_to(preset.weights))


def train_text(recipe: Recipe, runs: Path) -> None:
    tokenizer, encoder = text_encoder.train(recipe.text, runs)
    if parallel.rank() == 0:
        export.text(tokenizer, encoder, runs / "pocket")


def train_autoencoder(recipe: Recipe, runs: Path) -> None:
    vae = autoencoder.train(recipe.autoencoder, runs)
    if parallel.rank() == 0:
        export.autoencoder(vae, runs / "pocket")


def train_teacher(recipe: Recipe, runs: Path) -> None:
    captions, layouts, finishes, small = materials(recipe, runs)
    plan = recipe.teacher
    torch.manual_seed(plan.seed)
    first = begun(runs, "transformer") or teacher.build()
    high = teacher.train_high(plan, first.to(plan.device), layouts, captions, runs)
    drift = teacher.measure_drift(plan, high, small, finishes, captions)
    second = begun(runs, "transformer_2") or copy.deepcopy(high)
    low = teacher.train_low(plan, second.requires_grad_(True), layouts, finishes, drift, captions, runs)
    if parallel.rank() == 0:
        export.experts(high, low, runs / "pocket")


def train_student(recipe: Recipe, runs: Path) -> None:
    captions, layouts, finishes, small = materials(recipe, runs)
    full, few = moved(find("pocket", "full"), runs / "pocket"), find("pocket", "distilled").schedule
    plan, students = recipe.student, []
    high = models.load_expert(full.experts / "transformer").to(plan.device)
    drift = teacher.measure_drift(recipe.teacher, high, small, finishes, captions)
    for name, edges, steps, sampler in (
        ("transformer", few.high, plan.high_steps, consistency.layout_sampler(layouts, plan.batch)),
        ("transformer_2", few.low, plan.low_steps, consistency.box_sampler(finishes, drift, plan.batch)),
    ):
        expert = models.load_expert(full.experts / name).to(plan.device)
        folder = runs / f"student-{name}"
        students.append(consistency.train(plan, expert, edges, sampler, captions, steps, folder))
    if parallel.rank() == 0:
        export.students(students[0], students[1], runs / "pocket")


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
