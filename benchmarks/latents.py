"""What autoencoder and latent upsampler keep of drawn clips: python -m benchmarks.latents [--clips 96]

Clips of held-out combinations that the world draws: at finish size, encoded and decoded (autoencoder), and at layout
size, encoded, upsampled by the trained network or by interpolation alone, and decoded (trained, trilinear). Told of
each: mean and least PSNR over clips against what the world draws at finish size, in dB, and how many the judge reads
right. seam: change between frames where latents meet, over that elsewhere, and that of the world's own clips.

Space and time apart, by PSNR: in space, the first frame, which has a latent to itself; in time, the frames that lie
between those of the layout, made as small as it is, so that no detail counts.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from benchmarks.tricks import psnr
from distill import judge
from distill.data import FINISH, FULL, LAYOUT
from distill.evaluate import Sample, choose
from distill.measures import measure
from distill.upsampler import enlarge
from distill.world import HELD_OUT, Combination, Frames, draw
from wan_demo.decode import decode_all, normalised, to_pixels
from wan_demo.models import Models, load
from wan_demo.values import Latents

Told = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latents", description=__doc__)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--weights", type=Path, default=FULL.weights, help="another folder than the shipped one")
    options = parser.parse_args()
    models, told = load(FULL.at(options.weights)), defaultdict[str, list[float]](list)
    for seed, what in enumerate(choose(HELD_OUT, Sample(clips=options.clips))):
        clip(told, what, seed, models)
    for name, values in told.items():
        print(json.dumps({"what": name, "mean": round(float(np.mean(values)), 3), "least": round(min(values), 2)}))


@torch.no_grad()
def clip(told: Told, what: Combination, seed: int, models: Models) -> None:
    """Add a clip's figures to `told`, a list each."""
    vae, fps = models.vae, FINISH.fps
    small, large = (draw(what, seed, camera).frames for camera in (LAYOUT, FINISH))
    layout, finish = encoded(small, vae), encoded(large, vae)
    between = shrunken(large)[1::2]
    told["seam, world"].append(measure(large, fps).seam)
    ways = {"trained": enlarge(layout, finish, models.upsampler), "trilinear": enlarge(layout, finish, None)}
    for name, latents in {"autoencoder": finish, **ways}.items():
        frames = decoded(latents, vae)
        told[f"{name}, dB"].append(psnr(frames, large))
        told[f"{name}, right"].append(judge.marks(judge.read(frames, fps, what), what)["all_right"])
        told[f"{name}, seam"].append(measure(frames, fps).seam)
        told[f"{name}, in space, dB"].append(psnr(frames[:1], large[:1]))
        told[f"{name}, in time, dB"].append(psnr(shrunken(frames)[1::2], between))


def encoded(frames: Frames, vae: AutoencoderKLWan) -> Tensor:
    """Frames (F, H, W, 3) as latents (1, C, T, H / 8, W / 8), normalised."""
    return normalised(to_pixels(frames[None]), vae)


def decoded(latents: Tensor, vae: AutoencoderKLWan) -> Frames:
    """The inverse of `encoded`, at finish size."""
    return np.asarray(decode_all(Latents(latents, 0.0, FULL.finish.fps), vae)[0])


def shrunken(frames: Frames) -> Frames:
    """Frames (F, H, W, 3) at a layout's size."""
    size = (LAYOUT.width, LAYOUT.height)
    return np.asarray(np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]), np.uint8)


if __name__ == "__main__":
    main()
