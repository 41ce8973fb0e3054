"""The training verbs in turn, with the smallest recipe: what comes out is a weights folder that the app opens."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill import features
from distill.__main__ import begin, main, train
from distill.config import (
    AutoencoderRecipe,
    EndToEndRecipe,
    FeaturesRecipe,
    MatchingRecipe,
    Recipe,
    RefinerRecipe,
    StudentRecipe,
    TeacherRecipe,
    TextRecipe,
    UpsamplerRecipe,
)
from distill.evaluate import Sample, evaluate
from distill.train import begun
from wan_demo import models
from wan_demo.finish.refine import load_refiner
from wan_demo.presets import find
from wan_demo.text import unknown_words

SMALLEST = Recipe(
    workers=1,
    text=TextRecipe(batch=4, steps=1, asked=8),
    autoencoder=AutoencoderRecipe(batch=1, frame_steps=1, clip_steps=1, decoder_steps=1, renderers=1),
    upsampler=UpsamplerRecipe(batch=1, steps=1),
    refiner=RefinerRecipe(clips=2, size=32, batch=1, steps=1),
    teacher=TeacherRecipe(
        layouts=2, stills=2, finishes=1, others=1, other_finishes=1, batch=1, high_steps=1, low_steps=1
    ),
    end_to_end=EndToEndRecipe(batch=1, steps=1),
    student=StudentRecipe(batch=1, high_steps=1, low_steps=1),
    matching=MatchingRecipe(batch=1, steps=2, fakes=1, fakes_first=0),
    features=FeaturesRecipe(clips=2, batch=2, steps=1),
)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("family")
    train("all", SMALLEST, runs)
    return runs


def test_the_verbs_make_a_family(family: Path, tmp_path: Path) -> None:
    few = find("pocket", "distilled").at(family / "pocket")
    parts = models.load(few)  # verifies the checksums
    assert parts.high.blocks[0].attn1.to_q.weight.dtype == torch.int8
    assert all(s > 0 for s in parts.vae.config.latents_std)
    assert parts.upsampler is not None
    assert load_refiner(family / "pocket" / "refiner") is not None
    assert unknown_words("红色的球弹跳", parts.tokenizer) == []
    assert parts.text_encoder.config.vocab_size == len(parts.tokenizer)
    features.load(family / "features.safetensors")
    whole = models.load_expert(family / "students" / "transformer")
    assert all(torch.isfinite(p).all() for p in whole.parameters())
    models.load(find("pocket", "full").at(family / "pocket"))
    result = evaluate(few, parts, Sample(clips=1), tmp_path / "log.jsonl")
    assert result.clips == 1
    assert 0 <= result.all_right <= 1
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1


def test_a_second_run_from_the_same_seed_makes_the_same_files(family: Path, tmp_path: Path) -> None:
    train("all", SMALLEST, tmp_path)
    made = [p.relative_to(family) for kind in ("safetensors", "json") for p in family.rglob(f"*.{kind}")]
    assert len(made) > 20
    assert [name for name in made if (family / name).read_bytes() != (tmp_path / name).read_bytes()] == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_verbs_make_a_family_on_a_gpu(tmp_path: Path) -> None:
    names = ("autoencoder", "upsampler", "refiner", "teacher", "student")
    parts = {name: replace(getattr(SMALLEST, name), device="cuda") for name in names}
    train("all", replace(SMALLEST, **parts), tmp_path)
    models.load(find("pocket", "full").at(tmp_path / "pocket"))
    few = find("pocket", "distilled").at(tmp_path / "pocket")
    assert evaluate(few, models.load(few), Sample(clips=1)).clips == 1


def test_a_training_begins_with_weights_once(tmp_path: Path) -> None:
    shipped, runs = find("pocket", "full").weights, tmp_path / "runs"
    with pytest.raises(ValueError, match="is not a weights folder"):
        begin(runs, tmp_path)
    assert not runs.exists()
    begin(runs, shipped)
    (runs / "pocket" / "trained").touch()
    begin(runs, shipped)  # the same command again goes on
    begin(runs, None)
    assert (runs / "pocket" / "trained").exists()
    shutil.copytree(shipped, tmp_path / "other")
    assert main(["teacher", "--runs", str(runs), "--start", str(tmp_path / "other")]) == 2
    begin(tmp_path / "scratch", None)
    (tmp_path / "scratch" / "high").mkdir()
    with pytest.raises(ValueError, match="leave out --start to go on with it, or use another --runs"):
        begin(tmp_path / "scratch", shipped)


def test_a_start_is_trained_on_from(tmp_path: Path) -> None:
    shipped = find("pocket", "full").weights
    assert begun(tmp_path, "transformer") is None
    shutil.copytree(shipped / "transformer", tmp_path / "pocket" / "transformer")
    model = begun(tmp_path, "transformer")
    assert model is not None
    assert all(p.requires_grad for p in model.parameters())
    published = models.load_expert(shipped / "transformer")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), published.parameters(), strict=True))
