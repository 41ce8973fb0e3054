import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from wan_demo import flow


def test_noise_and_velocity_invert() -> None:
    x0, noise = torch.randn(2, 3), torch.randn(2, 3)
    x, v = flow.add_noise(x0, noise, 0.6), flow.velocity(x0, noise)
    torch.testing.assert_close(flow.clean(x, v, 0.6), x0)
    torch.testing.assert_close(flow.step(x, v, 0.6, 1.0), noise)


@pytest.mark.parametrize(("steps", "factor"), [(4, 5.0), (24, 3.0), (1, 1.0)])
def test_schedule_is_that_of_diffusers(steps: int, factor: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=factor)
    scheduler.set_timesteps(steps)
    torch.testing.assert_close(torch.tensor(flow.schedule(steps, factor)), scheduler.sigmas, atol=1e-6, rtol=0)


def test_schedule_needs_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        flow.schedule(0, 3.0)


def test_shift_keeps_the_ends_and_undoes_itself() -> None:
    assert flow.shift(0.0, 3.0) == 0
    assert flow.shift(1.0, 3.0) == 1
    assert flow.shift(flow.shift(0.4, 3.0), 1 / 3) == pytest.approx(0.4)


def test_guidance_of_one_changes_nothing() -> None:
    a, b = torch.randn(3), torch.randn(3)
    torch.testing.assert_close(flow.guide(a, b, 1.0), a)
    torch.testing.assert_close(flow.guide(a, b, 0.0), b)
