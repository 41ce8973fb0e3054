"""The recipes: every number of a training run, once for a CPU and once, larger, for a GPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AutoencoderRecipe:
    seed: int = 1
    batch: int = 4  # clips a process; four times as many single frames
    crop: int = 64  # pixels
    frames: int = 9
    frame_steps: int = 450
    clip_steps: int = 620
    lr: float = 1e-3
    kl: float = 1e-4
    thing_weight: float = 5.0
    shrink_share: float = 0.2


@dataclass(frozen=True)
class TextRecipe:
    seed: int = 2
    batch: int = 64
    steps: int = 900
    lr: float = 2e-3


@dataclass(frozen=True)
class TeacherRecipe:
    seed: int = 3
    layouts: int = 3000  # clips a process to encode at layout size
    finishes: int = 500  # and at finish size
    batch: int = 16  # a process
    lr: float = 2e-3
    ema: float = 0.998
    boundary: float = 0.7
    high_steps: int = 2600
    low_steps: int = 900
    low_top: float = 0.92  # the highest sigma the low-noise expert may be asked to begin at
    low_layouts: float = 0.25  # share of its steps on whole clips at layout size, for direct mode
