"""A small network that mends frames in between where the flow was wrong: at outlines, and where something was hidden.

It adds no colour of its own: each pixel is a mixture of what the two neighbours show there, each along its own motion,
along the other's, and where it stands. `distill/refiner.py` trains it.

Legend: B batch, K choices, H height, W width.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wan_demo.finish.warp import Floats, Frame, Guess, fetch_finely

CHOICES = 6  # what a pixel may be mixed of, see `choices`
HINTS = 8  # what else is known of a pixel, see `hints`
WIDTH = 32  # channels
DILATIONS = (1, 2, 4, 1)
WEIGHTS = "refiner.safetensors"
_AGREE = 2  # difference, of 255, up to which it does not matter what is chosen
_REACH = 24  # pixels around a pixel that what is drawn there depends on
_UNLIKELY = 0.01  # the share that a choice starts from which plain flow would not make


class Refiner(nn.Module):
    """Works at half the size, on what the choices differ in; about 60,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3 * CHOICES + 3 + HINTS, WIDTH, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS)
        self.leave = nn.Conv2d(WIDTH, 4 * CHOICES, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]  # there is one

    def forward(self, pictures: Tensor, known: Tensor) -> Tensor:
        """The picture (B, 3, H, W), 0 to 255, of the choices (B, K, 3, H, W), 0 to 255, and hints (B, HINTS, H, W)."""
        height, width = pictures.shape[-2:]
        share = known[:, :1]
        mixed = torch.lerp(pictures[:, 0], pictures[:, 1], share)
        apart = (pictures - mixed[:, None]).flatten(1, 2) / 64
        x = torch.cat([apart, mixed / 128 - 1, known], 1)
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        x = F.gelu(self.enter(x))
        for block in self.blocks:
            x = x + F.gelu(block(x))
        votes = F.pixel_shuffle(self.leave(x), 2)[..., :height, :width]
        likely = torch.cat([1 - share, share, torch.zeros_like(share).expand(-1, CHOICES - 2, -1, -1)], 1)
        weights = (votes + (likely + _UNLIKELY).log()).softmax(1)
        return (weights[:, :, None] * pictures).sum(1)


def choices(guess: Guess) -> list[Frame]:
    """What the neighbours show at each pixel: along their own motion, along the other's, and where they stand."""
    before, after, when = guess.before, guess.after, guess.when
    crossed0 = fetch_finely(before.frame, after.way * np.float32(when / (1 - when)))
    crossed1 = fetch_finely(after.frame, before.way * np.float32((1 - when) / when))
    return [before.moved, after.moved, crossed0, crossed1, before.frame, after.frame]


def hints(guess: Guess) -> Floats:
    """What else is known of each pixel, (HINTS, H, W): the later share, both trusts, both flows, and the moment."""
    before, after, when = guess.before, guess.after, guess.when
    flows = np.concatenate([before.way / when, after.way / (when - 1)], 2).transpose(2, 0, 1)
    moment = np.full_like(guess.share, when)
    parts = [guess.share[None], before.trust[None], after.trust[None], np.tanh(flows / 16), moment[None]]
    return np.asarray(np.concatenate(parts), np.float32)


@torch.inference_mode()
def refined(guess: Guess, refiner: Refiner) -> Frame:
    """The frame (H, W, 3) that a guess becomes."""
    shown, known = np.stack(choices(guess)), hints(guess)
    frame = np.asarray(np.rint(guess.mixed), np.uint8)
    unsure = (shown.max(0) - shown.min(0)).max(2) > _AGREE
    if not unsure.any():
        return frame
    inner, outer = zip(*(_span(unsure.any(axis)) for axis in (1, 0)), strict=True)
    pictures = torch.from_numpy(shown[:, *outer]).to(refiner.enter.weight.device).permute(0, 3, 1, 2).float()
    made = refiner(pictures[None], torch.from_numpy(known[:, *outer]).to(pictures.device)[None])[0]
    made = made.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    frame[inner] = made[tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))]
    return frame


def _span(wanted: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """From the first wanted place to the last, and as far around as what is drawn there depends on."""
    places = np.flatnonzero(wanted)
    first, last = int(places[0]), int(places[-1]) + 1
    return slice(first, last), slice(max(0, (first - _REACH) // 2 * 2), last + _REACH)  # even: it works in twos


def load_refiner(folder: Path, device: str | torch.device = "cpu") -> Refiner | None:
    """The refiner as float32, or None where the folder does not exist."""
    if not folder.exists():
        return None
    refiner = Refiner()
    refiner.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    return refiner.eval().to(device)
