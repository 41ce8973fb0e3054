"""What the refiner learns from: drawn scenes, and batches that are as true played backwards or mirrored."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from distill import refiner
from distill.config import RefinerRecipe
from distill.sprites import Frame, Scene
from wan_demo.clip import Clip
from wan_demo.finish.frame_rate import guesses_at
from wan_demo.finish.refine import Refiner, choices, hints
from wan_demo.finish.warp import Guess

SIZE = (64, 96)
WHEN = 0.375


def frames(seed: int) -> Frame:
    scene = Scene(seed, *SIZE)
    return np.stack([scene.at(k) for k in (-1, 0, 1, 2)])


def looked_at(clip: Frame, when: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Choices and truth (the truth black) and hints, of a moment between the middle two frames."""
    (guess,) = guesses_at(Clip(clip, Fraction(1)), [Fraction(1) + Fraction(when)])
    assert isinstance(guess, Guess)
    shown = np.stack([*choices(guess), np.zeros_like(clip[0])]).transpose(0, 3, 1, 2)
    return torch.from_numpy(shown)[None], torch.from_numpy(hints(guess))[None]


def test_a_scene_is_a_function_of_its_seed_and_moves() -> None:
    assert np.array_equal(frames(5), frames(5))
    assert not np.array_equal(frames(5), frames(6))
    moving = [np.abs(np.diff(frames(seed).astype(int), axis=0)).mean() for seed in range(4)]
    assert min(moving) > 0.1


def test_played_backwards_is_what_the_reversed_clip_gives() -> None:
    clip = frames(7)
    pictures, known = refiner.turned(*looked_at(clip, WHEN), across=False, down=False, backwards=True)
    wanted = looked_at(clip[::-1].copy(), 1 - WHEN)
    assert torch.equal(pictures, wanted[0])
    torch.testing.assert_close(known, wanted[1], atol=1e-5, rtol=0)


def test_mirrored_flows_point_the_other_way() -> None:
    pictures, known = looked_at(frames(7), WHEN)
    across, hints_across = refiner.turned(pictures, known, across=True, down=False, backwards=False)
    assert torch.equal(across.flip(-1), pictures)
    assert torch.equal(hints_across.flip(-1)[:, [3, 5]], -known[:, [3, 5]])
    assert torch.equal(hints_across.flip(-1)[:, [0, 1, 2, 4, 6, 7]], known[:, [0, 1, 2, 4, 6, 7]])


def test_collected_moments_are_a_function_of_the_seed_and_kept(tmp_path: Path) -> None:
    made, again = refiner.collect(3, 2, 32), refiner.cached(tmp_path / "runs" / "moments.pt", 3, 2, 32)
    kept = refiner.cached(tmp_path / "runs" / "moments.pt", 3, 2, 32)
    for other in (again, kept):
        assert torch.equal(made.pictures, other.pictures)
        assert torch.equal(made.known, other.known)
    assert made.pictures.shape == (2 * refiner.MOMENTS, 7, 3, 32, 32)


def test_training_lessens_the_error_and_resumes(tmp_path: Path) -> None:
    moments = refiner.collect(3, 2, 32)
    once = refiner.train(RefinerRecipe(batch=2, steps=12), moments, tmp_path / "once")
    again = refiner.train(RefinerRecipe(batch=2, steps=12), moments, tmp_path / "once")  # nothing is left to do
    for a, b in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    pictures, known = moments.pictures.float(), moments.known.float()
    new = Refiner()
    with torch.no_grad():
        error = [(m(pictures[:, :-1], known) - pictures[:, -1]).square().mean().item() for m in (new, once)]
    assert error[1] < error[0]
