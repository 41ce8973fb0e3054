"""The models' chain, from captions to frames, for several clips at once: small models leave a GPU idle with one.

Each clip has a seed of its own and is what `wan_demo.pipeline.draw` and `wan_demo.decode.decode` make of it alone, but
for rounding: sums over a batch may be taken in another order. Neither sound nor video files are needed here, nor the
libraries for them.

Legend: B clips, C channels, T latent frames, H height, W width, L tokens, D width of an embedding.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from wan_demo import flow
from wan_demo.clip import Clip
from wan_demo.decode import decode_all
from wan_demo.diffuse import noise
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.text import encode_prompts
from wan_demo.upsample import upsample
from wan_demo.values import Latents


@torch.no_grad()
def make(texts: Sequence[str], seeds: Sequence[int], preset: Preset, models: Models) -> list[Clip]:
    """A clip for each caption, from a seed each, as long as the model draws at once.

    Raises:
        FloatingPointError: a model gave no finite numbers.
    """
    dice = [torch.Generator().manual_seed(seed) for seed in seeds]
    prompts = encode_prompts([*texts, ""], models.tokenizer, models.text_encoder).embeds
    (high, low), first, last = preset.guidances, preset.layout, preset.finish
    shape = (models.high.config.in_channels, *models.compression.latents(first))
    x = _noise(shape, dice).to(models.device)
    _, clean = _denoise(models.high, x, preset.schedule.high, prompts, high)
    size = models.compression.latents(last)
    large = upsample(Latents(clean, 0.0, first.fps), size, last.fps, models.upsampler).x
    x = flow.add_noise(large, _noise(large.shape[1:], dice).to(large.device), preset.schedule.low[0])
    x, _ = _denoise(models.low, x, preset.schedule.low, prompts, low)
    return [Clip(frames, last.fps) for frames in decode_all(Latents(x, 0.0, last.fps), models.vae)]


def _noise(shape: Sequence[int], dice: Sequence[torch.Generator]) -> Tensor:
    """(B, *shape), a generator a row, as the chain draws it for one clip."""
    return torch.cat([noise((1, *shape), one) for one in dice])


def _denoise(
    expert: WanTransformer3DModel, x: Tensor, sigmas: Sequence[float], prompts: Tensor, guidance: float
) -> tuple[Tensor, Tensor]:
    """x (B, C, T, H, W) at the last of `sigmas`, and the last step's clean estimate, as `diffuse.denoise` has them.

    prompts: (B + 1, L, D), the last one is the empty prompt.
    """
    clean, embeds = x, prompts.to(x.device, expert.dtype)
    for sigma, to in pairwise(sigmas):
        seen, timestep = x.to(expert.dtype), torch.full((len(x),), flow.TIMESTEPS * sigma, device=x.device)
        v = expert(seen, timestep, embeds[:-1]).sample.float()
        if guidance != 1.0:
            empty = expert(seen, timestep, embeds[-1:].expand(len(x), -1, -1)).sample.float()
            v = flow.guide(v, empty, guidance)
        if not torch.isfinite(v).all():
            raise FloatingPointError(f"the expert's output at sigma {sigma:.3f} is not finite")
        clean, x = flow.clean(x, v, sigma), flow.step(x, v, sigma, to)
    return x, clean
