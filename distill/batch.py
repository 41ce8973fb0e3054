"""The models' chain, from captions to frames, for several clips at once: small models leave a GPU idle with one.

Each clip has a seed of its own and is what `wan_demo.pipeline.draw` and `wan_demo.decode.decode` make of it alone, but
for rounding: sums over a batch may be taken in another order. Neither sound nor video files are needed here, nor the
libraries for them.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wan_demo import flow
from wan_demo.clip import Clip
from wan_demo.decode import decode_all
from wan_demo.diffuse import denoise, noise
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.text import encode_prompts
from wan_demo.upsample import upsample
from wan_demo.values import Latents, PromptEmbeds


@torch.no_grad()
def make(texts: Sequence[str], seeds: Sequence[int], preset: Preset, models: Models) -> list[Clip]:
    """A clip for each caption, from a seed each, as long as the model draws at once.

    Raises:
        FloatingPointError: a model gave no finite numbers.
    """
    dice = [torch.Generator().manual_seed(seed) for seed in seeds]
    prompts = encode_prompts([*texts, *[""] * len(texts)], models.tokenizer, models.text_encoder)
    clean, last, levels = lay_out(prompts, dice, preset, models), preset.finish, preset.schedule.low
    large = upsample(clean, models.compression.latents(last), last.fps, models.upsampler)
    again = flow.add_noise(large.x, _noise(large.x.shape[1:], dice).to(models.device), levels[0])
    noised = Latents(again, levels[0], last.fps)
    made, _ = _last(denoise(models.low, noised, levels, prompts, preset.guidances[1]))
    return [Clip(frames, last.fps) for frames in decode_all(made, models.vae)]


def lay_out(prompts: PromptEmbeds, dice: Sequence[torch.Generator], preset: Preset, models: Models) -> Latents:
    """The high-noise expert's last clean estimate of a clip for each of `dice`; prompts: see `denoise`."""
    shape = (models.high.config.in_channels, *models.compression.latents(preset.layout))
    noised = Latents(_noise(shape, dice).to(models.device), 1.0, preset.layout.fps)
    _, clean = _last(denoise(models.high, noised, preset.schedule.high, prompts, preset.guidances[0]))
    return clean


def _last(steps: Iterator[tuple[Latents, Latents]]) -> tuple[Latents, Latents]:
    return deque(steps, maxlen=1).pop()


def _noise(shape: Sequence[int], dice: Sequence[torch.Generator]) -> Tensor:
    """(B, *shape), a generator a row, as the chain draws it for one clip."""
    return torch.cat([noise((1, *shape), one) for one in dice])
