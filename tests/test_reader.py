"""What prompts read as is kept on disk where the text encoder is large: a known prompt does without it."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wan_demo import models, store
from wan_demo.integrity import write_checksums
from wan_demo.presets import Preset
from wan_demo.store import Prompts, home

TEXTS = ("a red ball moves right over green grass", "a star")


@pytest.fixture
def preset(tiny_full: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preset:
    """A tier with a large text encoder, in a folder of its own."""
    monkeypatch.setattr(models, "LARGE", 0)
    folder = shutil.copytree(tiny_full.weights, tmp_path / "weights")
    return replace(tiny_full, weights=folder, experts=folder)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_encoder_is_not_loaded_for_a_prompt_that_is_known(preset: Preset, precision: str) -> None:
    preset = replace(preset, precision=precision)
    first, later = models.load(preset), models.load(preset)
    made, found = first.encode(*TEXTS), later.encode(*TEXTS)
    assert first.shared.reader.loaded
    assert not later.shared.reader.loaded
    assert torch.equal(made.embeds, found.embeds)
    assert made.embeds.dtype == found.embeds.dtype
    assert torch.equal(made.lengths, found.lengths)
    later.encode(TEXTS[0], "")
    assert later.shared.reader.loaded


def test_another_encoder_gives_its_own_embeddings(preset: Preset) -> None:
    made = models.load(preset).encode(*TEXTS)
    file = preset.weights / "text_encoder" / "model.safetensors"
    tensors = {name: tensor + 0.5 for name, tensor in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    write_checksums(preset.weights)
    other = models.load(preset)
    assert not torch.equal(other.encode(*TEXTS).embeds, made.embeds)
    assert other.shared.reader.loaded


def test_another_tokenizer_or_precision_is_another_reader(preset: Preset) -> None:
    plain = models.load(preset).shared.reader.weights
    assert models.load(replace(preset, precision="bf16")).shared.reader.weights != plain
    with (preset.weights / "tokenizer" / "tokenizer_config.json").open("a") as file:
        file.write(" ")
    write_checksums(preset.weights)
    assert models.load(preset).shared.reader.weights != plain


@pytest.mark.parametrize("damage", ["UPDATE prompts SET made=substr(made, 2)", "UPDATE prompts SET sha256=''", ""])
def test_what_is_damaged_is_read_again(preset: Preset, damage: str) -> None:
    made = models.load(preset).encode(*TEXTS)
    if damage:
        with closing(sqlite3.connect(home() / "store.sqlite3")) as db, db:
            assert db.execute(damage).rowcount == 1
    else:
        (home() / "store.sqlite3").write_bytes(b"no database" * 999)
    later = models.load(preset)
    assert torch.equal(later.encode(*TEXTS).embeds, made.embeds)
    assert later.shared.reader.loaded


def test_a_small_encoder_writes_nothing(tiny_full: Preset) -> None:
    models.load(tiny_full).encode(*TEXTS)
    assert not (home() / "store.sqlite3").exists()


def test_texts_cannot_be_read_in_the_store(preset: Preset) -> None:
    models.load(preset).encode(*TEXTS)
    assert b"ball" not in (home() / "store.sqlite3").read_bytes()


def test_those_who_time_the_encoder_get_it(preset: Preset) -> None:
    models.load(preset).encode(*TEXTS)
    later = models.load(preset)
    later.shared.reader.forget()
    later.encode(*TEXTS)
    assert later.shared.reader.loaded


def test_what_is_kept_is_bounded_and_the_least_used_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROOM", 250)
    now = iter(range(100))
    monkeypatch.setattr(store, "time", lambda: float(next(now)))
    for key in "ab":
        Prompts().record(key, key.encode() * 100)
    assert Prompts().find("a") == b"a" * 100
    Prompts().record("c", b"c" * 100)
    assert [Prompts().find(key) is not None for key in "abc"] == [True, False, True]
