"""Upsampler and low-noise expert, trained together: the one learns from what the other makes of it."""

import copy
from pathlib import Path

import torch
from torch import nn

from distill import data, end_to_end, latents, teacher, text_encoder, upsampler
from distill.config import EndToEndRecipe, TeacherRecipe
from tests.tiny import tiny_expert
from wan_demo import flow

RECIPE, PLAN = EndToEndRecipe(batch=2, steps=2, lr=1e-3), TeacherRecipe(batch=3)


def clips(frames: int, height: int, width: int) -> latents.LatentSet:
    x = torch.randn(4, 4, frames, height, width, generator=torch.Generator().manual_seed(frames)).half()
    near = torch.zeros(4, frames, height, width, dtype=torch.bool)
    return latents.LatentSet(x, near, near.half(), torch.full((4, 1, 48), 1, dtype=torch.int16))


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_both_learn_and_again_the_same(captions: text_encoder.Captions, tmp_path: Path) -> None:
    low, enlarger = tiny_expert(1, text_dim=128), upsampler.build(4)
    finishes, small = clips(5, 4, 8), clips(3, 2, 4)
    drawn = [end_to_end.Drawn(finishes, small.x)]
    made = [
        end_to_end.train(RECIPE, PLAN, copy.deepcopy(enlarger), copy.deepcopy(low), drawn, captions, tmp_path / name)
        for name in ("one", "other")
    ]
    for before, one, other in zip((enlarger, low), *made, strict=True):
        assert not torch.equal(flat(before), flat(one))
        assert torch.equal(flat(one), flat(other))


def test_a_drifting_clip_begins_where_the_chain_does() -> None:
    wanted, large, start = torch.randn(1, 4, 5, 4, 6), torch.randn(1, 4, 5, 4, 6), 0.25
    drift = teacher.drift_of(large, wanted, start)
    torch.testing.assert_close(flow.add_noise(wanted, drift, start), flow.add_noise(large, torch.zeros(1), start))


def test_drift_is_measured_batch_by_batch(captions: text_encoder.Captions) -> None:
    finishes, small, high = clips(5, 4, 8), clips(3, 2, 4), tiny_expert(2, text_dim=128)
    estimates = teacher.estimate(PLAN, data.FULL, high, small, captions)
    assert estimates.shape == small.x.shape
    drift = teacher.measure_drift(estimates, finishes, 0.25, None, batch=3)
    large = upsampler.enlarge(estimates.float(), finishes.x.float(), None)
    torch.testing.assert_close(drift.float(), 3 * (large - finishes.x.float()), atol=5e-3, rtol=2e-3)
