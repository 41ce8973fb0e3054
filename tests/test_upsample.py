from fractions import Fraction

import pytest
import torch

from wan_demo.upsample import upsample
from wan_demo.values import Latents


def test_a_steady_motion_keeps_its_times() -> None:
    """Latents that say when their frames are, say so after upsampling too."""
    ends = torch.arange(5) * 4.0  # last frame of each latent, at 8 fps
    seconds = (ends - torch.tensor([0, 1.5, 1.5, 1.5, 1.5])) / 8
    x = seconds.view(1, 1, 5, 1, 1).expand(1, 1, 5, 4, 6)
    large = upsample(Latents(x, 0.0, Fraction(8)), (9, 8, 12), Fraction(16))
    assert large.x.shape == (1, 1, 9, 8, 12)
    assert large.fps == 16
    expected = (torch.arange(9) * 4.0 - 1.5) / 16
    torch.testing.assert_close(large.x[0, 0, 2:-1, 0, 0], expected[2:-1])
    assert large.x[0, 0, 0, 0, 0] == 0


def test_space_is_interpolated() -> None:
    ramp = torch.arange(6.0).view(1, 1, 1, 1, 6).expand(1, 1, 2, 4, 6)
    large = upsample(Latents(ramp, 0.0, Fraction(8)), (2, 8, 12), Fraction(8))
    torch.testing.assert_close(large.x[0, 0, 0, 0, 1:-1], torch.arange(0.25, 5.0, 0.5))


def test_what_was_learned_is_added() -> None:
    x = torch.randn(1, 2, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    shapes = (9, 8, 12), Fraction(16)
    plain, mended = (
        upsample(Latents(x, 0.0, Fraction(8)), *shapes, mend).x for mend in (None, lambda _: torch.tensor(1.5))
    )
    torch.testing.assert_close(mended, plain + 1.5)


def test_noise_is_not_upsampled() -> None:
    with pytest.raises(AssertionError, match="clean"):
        upsample(Latents(torch.zeros(1, 1, 2, 2, 2), 0.5, Fraction(8)), (3, 4, 4), Fraction(16))
