"""Trains the two experts: one transformer over all noise levels first, then one copy of it for each expert's range.

The first stage and the high-noise expert see whole clips at layout size (140 tokens). The low-noise expert sees boxes
of as many tokens cut from clips at finish size, long in each axis in turn, so that it meets every distance it will need.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import TeacherRecipe
from distill.data import Latent, generator
from wan_demo import flow


def build() -> WanTransformer3DModel:
    """A new expert of the pocket size: 3.9 M parameters."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=3,
        attention_head_dim=64,
        in_channels=16,
        out_channels=16,
        text_dim=128,
        freq_dim=128,
        ffn_dim=768,
        num_layers=6,
        rope_max_seq_len=64,
    )
