"""The decoder on a CPU."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from torch.profiler import ProfilerActivity, profile

from wan_demo.decode import by_onednn, decode
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.values import Latents


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_onednn_decodes_the_same_picture(tiny_full: Preset, tiny_models: Models) -> None:
    shape = tiny_models.compression.latents(tiny_full.finish)
    latents = Latents(torch.randn(1, 4, *shape, generator=torch.Generator().manual_seed(0)), 0.0, tiny_full.finish.fps)
    plain = AutoencoderKLWan.from_pretrained(tiny_full.weights / "vae").eval()
    wanted = decode(latents, plain).frames
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        made = decode(latents, by_onednn(plain, tiny_models.device)).frames
    assert np.abs(made.astype(int) - wanted).max() <= 1
    assert np.ptp(made) > 50  # there is a picture
    assert not [event.key for event in seen.key_averages() if "slow_conv3d" in event.key]
