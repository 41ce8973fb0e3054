"""Stage 2 of the distillation: its formulas hold, its gradients go where they should."""

import copy
from dataclasses import replace
from pathlib import Path

import torch

from distill import matching
from distill.config import MatchingRecipe
from distill.consistency import layout_sampler
from distill.latents import LatentSet
from distill.text_encoder import Captions
from tests.tiny import tiny_expert

EDGES = (1.0, 0.8, 0.5)
RECIPE = MatchingRecipe(batch=2, steps=4, fakes=1, fakes_first=0, lr=1e-3)


def test_a_student_takes_its_steps() -> None:
    student = tiny_expert(1).eval()
    x, prompt = torch.randn(2, 4, 2, 4, 4), torch.randn(2, 5, 16)
    with torch.no_grad():
        clean = matching.roll_out(student, x, EDGES, prompt)
        first = student(x, torch.full((2,), 1000.0), prompt).sample
        second = student(x - 0.2 * first, torch.full((2,), 800.0), prompt).sample
    torch.testing.assert_close(clean, x - 0.2 * first - 0.8 * second)


def test_the_direction_is_away_from_what_the_fake_knows() -> None:
    x_t, sigma = torch.randn(2, 4, 2, 4, 4), torch.tensor([0.6, 0.9])
    real, clean = torch.randn(2, 4, 2, 4, 4), torch.randn(2, 4, 2, 4, 4)
    assert (matching.direction(x_t, sigma, real, real, clean) == 0).all(), "nothing is to change"
    away = matching.direction(x_t, sigma, real - 1, real, clean)
    assert (away > 0).all(), "the fake thinks of more, so less should be drawn"
    larger = matching.direction(x_t, sigma, real - 2, real, clean)
    torch.testing.assert_close(larger, 2 * away)


def clips() -> LatentSet:
    made = torch.Generator().manual_seed(0)
    near = torch.ones(4, 2, 4, 4, dtype=torch.bool)
    texts = torch.full((4, 1, 48), 1, dtype=torch.int16)
    return LatentSet(torch.randn(4, 4, 2, 4, 4, generator=made), near, near.half(), texts)


def test_training_moves_the_student_and_no_teacher(captions: Captions, tmp_path: Path) -> None:
    teacher, start = tiny_expert(2, text_dim=128), tiny_expert(1, text_dim=128)
    before = copy.deepcopy(teacher.state_dict())

    def trained(steps: int, folder: Path, recipe: MatchingRecipe = RECIPE) -> torch.Tensor:
        plan, sampler = replace(recipe, steps=steps), layout_sampler([clips()], 0.0, recipe.batch)
        made = matching.train(plan, teacher, copy.deepcopy(start), EDGES, sampler, captions, folder, 2.5)
        return torch.cat([p.flatten() for p in made.parameters()])

    whole = trained(4, tmp_path / "whole")
    assert torch.isfinite(whole).all()
    assert torch.equal(whole, trained(4, tmp_path / "again"))
    assert torch.equal(whole, trained(4, tmp_path / "whole")), "an ended run is not trained on"
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    untouched = torch.cat([p.flatten() for p in start.parameters()])
    assert not torch.equal(whole, untouched)
    fakes_alone = trained(2, tmp_path / "fakes", replace(RECIPE, fakes_first=9))
    torch.testing.assert_close(fakes_alone, untouched)


def test_a_student_learns_its_teachers_clips(captions: Captions, tmp_path: Path) -> None:
    """One that draws another brightness than the teacher comes nearer to it."""
    teacher = tiny_expert(2, text_dim=128).eval()
    student = copy.deepcopy(teacher)
    with torch.no_grad():
        student.proj_out.bias += 0.5
    recipe = MatchingRecipe(batch=4, steps=60, fakes=2, fakes_first=5, lr=1e-2, fake_lr=1e-2, ema=0.9)
    sampler = layout_sampler([clips()], 0.0, 4)
    made = matching.train(recipe, teacher, copy.deepcopy(student), EDGES, sampler, captions, tmp_path, 1.0).eval()
    x, prompt = torch.randn(8, 4, 2, 4, 4), captions.empty(8)
    with torch.no_grad():
        means = [matching.roll_out(model, x, EDGES, prompt).mean().item() for model in (teacher, student, made)]
    assert abs(means[2] - means[0]) < 0.5 * abs(means[1] - means[0])
