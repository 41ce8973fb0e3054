"""What the teacher's training can be told to do: each switch does what it says, and no more."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from distill import data, latents, teacher, text_encoder
from distill.config import TeacherRecipe
from tests.tiny import tiny_expert

CPU = torch.device("cpu")
RECIPE = TeacherRecipe(batch=2, high_steps=2, still_share=0.0, lr=1e-3)


def clips(count: int = 4, frames: int = 5) -> latents.LatentSet:
    made = torch.Generator().manual_seed(3)
    x = torch.randn(count, 4, frames, 8, 14, generator=made).half()
    near = torch.rand(count, frames, 8, 14, generator=made) < 0.3
    return latents.LatentSet(x, near, near.half(), torch.full((count, 1, 48), 1, dtype=torch.int16))


def trained(recipe: TeacherRecipe, captions: text_encoder.Captions, runs: Path) -> torch.Tensor:
    model = tiny_expert(1, text_dim=128).train().requires_grad_(True)
    made = teacher.train_high(recipe, model, [clips()], clips(frames=1), captions, runs)
    return torch.cat([p.flatten() for p in made.parameters()])


@pytest.mark.parametrize(
    "changed", [replace(RECIPE, temporal=False), replace(RECIPE, motion=0.5)], ids=["temporal", "motion"]
)
def test_a_switch_changes_what_is_learnt(
    changed: TeacherRecipe, captions: text_encoder.Captions, tmp_path: Path
) -> None:
    usual = trained(RECIPE, captions, tmp_path / "usual")
    assert torch.equal(usual, trained(RECIPE, captions, tmp_path / "again"))
    assert not torch.allclose(usual, trained(changed, captions, tmp_path / "other"), atol=1e-6)


def test_checkpointing_changes_memory_alone(captions: text_encoder.Captions, tmp_path: Path) -> None:
    usual = trained(RECIPE, captions, tmp_path / "usual")
    spared = trained(replace(RECIPE, checkpointing=True), captions, tmp_path / "spared")
    torch.testing.assert_close(usual, spared)

    def kept(checkpointing: bool) -> int:
        model = tiny_expert(1, text_dim=128).train()
        if checkpointing:
            model.enable_gradient_checkpointing()
        sizes: list[int] = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(torch.randn(2, 4, 5, 8, 14), torch.full((2,), 500.0), torch.randn(2, 6, 128))
        return sum(sizes)

    assert kept(True) < 0.7 * kept(False)


def test_without_temporal_attention_a_frame_knows_no_other() -> None:
    model = tiny_expert(1).eval()
    x, prompt, when = torch.randn(2, 4, 3, 4, 6), torch.randn(2, 5, 16), torch.tensor([900.0, 400.0])
    other = x.clone()
    other[:, :, 2] += 1
    with torch.no_grad():
        one, same = (teacher.each_frame(model, each, when, prompt) for each in (x, other))
        alone = model(x[1:, :, 1:2], when[1:], prompt[1:]).sample
        together, changed = (model(each, when, prompt).sample for each in (x, other))
    assert one.shape == x.shape
    torch.testing.assert_close(one[:, :, :2], same[:, :, :2])
    torch.testing.assert_close(one[1:, :, 1:2], alone)
    assert not torch.allclose(together[:, :, :2], changed[:, :, :2], atol=1e-5)


def test_motion_loss_asks_for_what_changes_where_it_moves() -> None:
    steady = torch.randn(2, 4, 1, 4, 6).expand(-1, -1, 3, -1, -1)
    moves = torch.zeros(2, 3, 4, 6)
    moves[:, :, :2] = 2.0
    assert teacher.motion_loss(steady, moves) == 0, "an error that stays is none of motion"
    jerky = steady.clone()
    jerky[:, :, 1] += 3.0
    assert teacher.motion_loss(jerky, moves).item() == pytest.approx(9.0, rel=1e-4)
    elsewhere = steady.clone()
    elsewhere[:, :, 1, 2:] += 3.0
    assert teacher.motion_loss(elsewhere, moves) == 0
    assert teacher.motion_loss(torch.randn(2, 4, 1, 4, 6), moves[:, :1]) == 0, "a single frame does not move"


def test_optical_flow_tells_what_moves() -> None:
    frames = np.full((9, 64, 112, 3), 40, np.uint8)
    for i, frame in enumerate(frames):
        frame[24:40, 16 + 3 * i : 32 + 3 * i] = np.random.default_rng(0).integers(120, 255, (16, 16, 1))
    moves = data.moving(frames)
    assert moves.shape == (3, 8, 14)
    assert (moves[0] == 0).all(), "the first latent holds one frame"
    assert 1.5 < moves[1:].max() < 4.5
    assert (moves[:, :2] == 0).all()
    assert (moves[:, :, 9:] == 0).all()
    assert data.moving(frames[:1]).shape == (1, 8, 14)


def test_without_boxes_there_are_whole_clips() -> None:
    made = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 9, 16, 28, generator=made).half()
    near = torch.ones(2, 9, 16, 28, dtype=torch.bool)
    whole = latents.LatentSet(x, near, near.half(), torch.ones(2, 1, 48, dtype=torch.int16))
    finishes = latents.Finishes(whole, x)
    some = teacher.cut_boxes(finishes, 16, data.generator(0, 0), data.generator_on(CPU, 0, 0), boxes=False)
    assert some.x.shape[2:] == (9, 16, 28)
    assert {tuple(each.tolist()) for each in some.x.flatten(1)} <= {tuple(e.tolist()) for e in x.float().flatten(1)}


def test_boxes_fit_an_upright_clip() -> None:
    x = torch.randn(2, 4, 9, 28, 16, generator=torch.Generator().manual_seed(1)).half()
    near = torch.ones(2, 9, 28, 16, dtype=torch.bool)
    finishes = latents.Finishes(latents.LatentSet(x, near, near.half(), torch.ones(2, 1, 48, dtype=torch.int16)), x)
    rng = data.generator_on(CPU, 0, 0)
    shapes = {tuple(teacher.cut_boxes(finishes, 4, data.generator(0, i), rng).x.shape[2:]) for i in range(40)}
    assert (9, 28, 16) in shapes
    assert shapes > {(9, 8, 8), (5, 8, 14), (5, 14, 8)}


def test_each_shape_has_its_turn() -> None:
    dice = np.random.default_rng(0)
    turns = [latents.sample_set(["wide", "upright", "square"], 0.15, dice) for _ in range(2000)]
    assert abs(turns.count("upright") / 2000 - 0.15) < 0.03
    assert abs(turns.count("square") / 2000 - 0.15) < 0.03
    assert {latents.sample_set(["wide"], 0.15, dice) for _ in range(20)} == {"wide"}


@pytest.mark.parametrize(("scale", "asked"), [(1.0, 3), (2.5, 6)])
def test_what_is_not_guided_is_asked_once(scale: float, asked: int) -> None:
    rows = []

    def expert(x: torch.Tensor, timestep: torch.Tensor, prompt: torch.Tensor) -> SimpleNamespace:
        rows.append(len(x))
        return SimpleNamespace(sample=x * prompt.mean((1, 2)).view(-1, 1, 1, 1, 1))

    x, prompt, empty = torch.ones(3, 4, 2, 2, 2), torch.full((3, 5, 6), 2.0), torch.ones(3, 5, 6)
    made = teacher.guided(expert, x, torch.full((3,), 0.5), prompt, empty, scale)
    assert torch.equal(made, torch.full_like(x, 1 + scale))
    assert rows == [asked]
