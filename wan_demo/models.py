"""A preset's parts, loaded and checked."""

from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, UMT5EncoderModel

from wan_demo import quantize
from wan_demo.integrity import WeightsError, verify
from wan_demo.presets import Preset
from wan_demo.shapes import Compression

__all__ = ["Models", "WeightsError", "load", "load_expert", "load_upsampler"]  # the error too, for those who load


@dataclass(frozen=True)
class Models:
    """Everything a chain needs, in evaluation mode and on one device. upsampler: None where none was trained."""

    tokenizer: PreTrainedTokenizerBase
    text_encoder: UMT5EncoderModel
    vae: AutoencoderKLWan
    high: WanTransformer3DModel
    low: WanTransformer3DModel
    upsampler: LTXLatentUpsamplerModel | None = None

    @property
    def compression(self) -> Compression:
        config = self.vae.config
        return Compression(config.scale_factor_spatial, config.scale_factor_temporal, self.high.config.patch_size[1])


def load(preset: Preset, device: str = "cpu") -> Models:
    """Load a preset's parts as float32 (8-bit experts stay 8-bit).

    Raises:
        WeightsError: a file is missing or is not what was published.
    """
    verify(preset.weights)
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    root = preset.weights
    return Models(
        PreTrainedTokenizerFast.from_pretrained(root / "tokenizer"),
        UMT5EncoderModel.from_pretrained(root / "text_encoder", dtype=torch.float32).eval().to(device),
        AutoencoderKLWan.from_pretrained(root / "vae", torch_dtype=torch.float32).eval().to(device),
        load_expert(preset.experts / "transformer").to(device),
        load_expert(preset.experts / "transformer_2").to(device),
        load_upsampler(root / "upsampler", device),
    )


def load_expert(folder: Path) -> WanTransformer3DModel:
    """One expert, on the CPU: float32, or 8-bit where the folder says so."""
    if quantize.is_quantized(folder):
        return quantize.load(folder)
    return WanTransformer3DModel.from_pretrained(folder, torch_dtype=torch.float32).eval()


def load_upsampler(folder: Path, device: str) -> LTXLatentUpsamplerModel | None:
    """The latent upsampler as float32, or None where the folder does not exist."""
    if not folder.exists():
        return None
    return LTXLatentUpsamplerModel.from_pretrained(folder, torch_dtype=torch.float32).eval().to(device)
