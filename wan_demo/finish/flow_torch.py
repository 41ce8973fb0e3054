"""Two-way optical flow in plain torch, for a GPU: what `optical_flow.dis` is on a CPU.

Combined local and global flow (Bruhn, Weickert and Schnoerr, IJCV 2005): coarse to fine, each level solves for the
increments that make smoothed brightness constraints hold, while neighbours move alike but where a motion ends. Both
terms are robust, with their weights held for one warp.

Legend: B batch, H height, W width. Flows (B, 2, H, W) in pixels (x, y); pictures (B, 1, H, W) in [0, 1].
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wan_demo.finish.optical_flow import Floats, Grey, TwoWay

_LEAST = 12  # pixels of the shorter side of the coarsest level
_WARPS = 4  # a level
_SWEEPS = 20  # of the solver, a warp
_SMOOTH = 0.01  # how much neighbours' moving alike counts against the picture
_BREAK = 0.05  # pixels by which neighbours may differ in motion before it counts less
_MISS = 0.01  # difference in brightness from which a pixel counts less
_WINDOW = (1.0, 4.0, 6.0, 4.0, 1.0)  # brightness constraints are smoothed by it, along each axis


def on_device(device: torch.device | str) -> TwoWay:
    """Flow that is found on `device`."""

    @torch.inference_mode()
    def flow(grey0: Grey, grey1: Grey) -> tuple[Floats, Floats]:
        pair = torch.from_numpy(np.stack([grey0, grey1])).to(device)[:, None].float() / 255
        both = coarse_to_fine(pair, pair.flip(0)).permute(0, 2, 3, 1).cpu().numpy()
        return np.asarray(both[0], np.float32), np.asarray(both[1], np.float32)

    return flow


def coarse_to_fine(start: Tensor, end: Tensor) -> Tensor:
    """The flow (B, 2, H, W) from the pictures `start` to the pictures `end`."""
    levels = [(_smoothed(start), _smoothed(end))]
    while min(levels[-1][0].shape[-2:]) >= 2 * _LEAST:
        levels.append(tuple(F.avg_pool2d(picture, 2, ceil_mode=True) for picture in levels[-1]))  # type: ignore[arg-type]
    flow = start.new_zeros(len(start), 2, *levels[-1][0].shape[-2:])
    for first, second in reversed(levels):
        height, width = first.shape[-2:]
        if flow.shape[-2:] != first.shape[-2:]:
            flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
        for _ in range(_WARPS):
            flow = flow + _increment(first, second, flow)
    return flow


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Read a picture (B, C, H, W) at each pixel plus its flow, between pixels too; edges repeat outwards."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(*(torch.arange(n, device=flow.device) for n in (height, width)), indexing="ij")
    place = torch.stack([(2 * (x + flow[:, 0]) + 1) / width - 1, (2 * (y + flow[:, 1]) + 1) / height - 1], -1)
    return F.grid_sample(picture, place, mode="bicubic", padding_mode="border", align_corners=False)


def _increment(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """What to add to the flow, (B, 2, H, W), at most one pixel."""
    moved = warp(second, flow)
    along = (_slopes(first) + _slopes(moved)) / 2
    miss = moved - first
    trust = 1 / (miss.square() + _MISS**2).sqrt()
    inside = (warp(torch.ones_like(first), flow) > 0.5).float()  # nothing is known of what leaves the picture
    x, y = along[:, :1], along[:, 1:]
    constraints = torch.cat([x * x, x * y, y * y, x * miss, y * miss], 1) * trust * inside
    xx, xy, yy, xt, yt = _windowed(constraints).split(1, 1)
    right, below = _links(flow)
    left, above = F.pad(right, (1, 0))[..., :-1], F.pad(below, (0, 0, 1, 0))[..., :-1, :]
    links = right + left + below + above
    xx, yy = xx + links, yy + links
    scale = 1 / (xx * yy - xy * xy).clamp(min=1e-12)
    step = torch.zeros_like(flow)
    for _ in range(_SWEEPS):
        now = flow + step
        pull = right * _shifted(now, -1, 0) + left * _shifted(now, 1, 0)
        pull = pull + below * _shifted(now, 0, -1) + above * _shifted(now, 0, 1) - links * flow
        bx, by = (pull - torch.cat([xt, yt], 1)).split(1, 1)
        step = torch.cat([yy * bx - xy * by, xx * by - xy * bx], 1) * scale
    return step.clamp(-1, 1)


def _links(flow: Tensor) -> tuple[Tensor, Tensor]:
    """How much each pixel is to move as its right and its lower neighbour do, (B, 1, H, W) each; 0 at the edges."""
    made = []
    for axis in (-1, -2):
        apart = flow.diff(dim=axis).square().sum(1, keepdim=True)
        link = _SMOOTH / (apart + _BREAK**2).sqrt()
        made.append(F.pad(link, (0, 1, 0, 0) if axis == -1 else (0, 0, 0, 1)))
    return made[0], made[1]


def _shifted(values: Tensor, right: int, down: int) -> Tensor:
    """values moved by one pixel, edges repeated."""
    return F.pad(values, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), mode="replicate")[
        ..., max(-down, 0) : values.shape[-2] + max(-down, 0), max(-right, 0) : values.shape[-1] + max(-right, 0)
    ]


def _slopes(picture: Tensor) -> Tensor:
    """Central differences (B, 2, H, W) along x and y."""
    x = (_shifted(picture, -1, 0) - _shifted(picture, 1, 0)) / 2
    y = (_shifted(picture, 0, -1) - _shifted(picture, 0, 1)) / 2
    return torch.cat([x, y], 1)


def _smoothed(picture: Tensor) -> Tensor:
    """A little softer: slopes then hold over a whole pixel."""
    return F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1) * 0.5 + picture * 0.5


def _windowed(values: Tensor) -> Tensor:
    """Each channel smoothed by _WINDOW along both axes."""
    kernel = torch.tensor(_WINDOW, device=values.device)
    kernel = (kernel / kernel.sum()).expand(values.shape[1], 1, 1, -1)
    wide = F.pad(values, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel, groups=values.shape[1]), kernel.mT, groups=values.shape[1])
