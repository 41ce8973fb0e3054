"""Presets and parts of the tiny model."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.tiny import BOUNDARY, GUIDANCE, SHIFT, STEPS, save_pipeline, save_tiny
from wan_demo import models
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity, load_identity
from wan_demo.schedule import Schedule, guided
from wan_demo.shapes import ClipShape


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Wan2.2 in the layout of the hub's repository: sharded, with index files. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("hub")
    save_pipeline(folder, shard="20KB")
    return folder


@pytest.fixture(scope="session")
def tiny_full(tiny_folder: Path) -> Preset:
    layout, finish = ClipShape(64, 32, 9, Fraction(4)), ClipShape(128, 64, 17, Fraction(8))
    schedule = guided(STEPS, SHIFT, BOUNDARY, 2.0)
    return Preset(
        "tiny", "full", tiny_folder, tiny_folder, layout, finish, BOUNDARY, schedule, GUIDANCE, knows="Balls."
    )


@pytest.fixture(scope="session")
def tiny_distilled(tiny_folder: Path) -> Preset:
    layout, finish = ClipShape(64, 32, 9, Fraction(4)), ClipShape(128, 64, 17, Fraction(8))
    schedule = Schedule((1.0, 0.9, 0.7), (0.82353, 0.5, 0.0), (1.0, 0.9, 0.7, 0.5, 0.0))
    return Preset("tiny", "distilled", tiny_folder, tiny_folder / "distilled", layout, finish, BOUNDARY, schedule, 1.0)


@pytest.fixture(scope="session")
def tiny_models(tiny_full: Preset) -> models.Models:
    return models.load(tiny_full)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Its secret is the same in every run: with one in 600 a mark that was laid over is told from its pixels alone."""
    return replace(load_identity(tmp_path_factory.mktemp("identity") / "keys"), secret=bytes(range(32)))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's store."""
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path / "home"))
