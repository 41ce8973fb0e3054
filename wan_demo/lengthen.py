"""Clean Latents -> more of them, that show the same motion more slowly."""

from diffusers import AutoencoderKLWan

from wan_demo.clip import Clip
from wan_demo.decode import decode, encode
from wan_demo.finish.frame_rate import Means, convert_frame_rate
from wan_demo.values import Latents


def lengthen(latents: Latents, frames: int, vae: AutoencoderKLWan, means: Means) -> Latents:
    """Latents of `frames` frames, one more than a multiple of 4, at the same rate; their first and last are kept.

    Frames in between are made in pixels, along the motion: between latents of a thing that moves fast there is none.
    What that blurs is for the low-noise expert to mend.
    """
    clip = decode(latents, vae)
    slow = Clip(clip.frames, clip.fps * (len(clip.frames) - 1) / (frames - 1))
    return encode(convert_frame_rate(slow, clip.fps, frames, means), vae)
