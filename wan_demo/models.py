"""A preset's parts, loaded and checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, UMT5EncoderModel

from wan_demo import quantize
from wan_demo.presets import Preset
from wan_demo.shapes import Compression

CHECKSUMS = "checksums.json"
REPAIR = "restore it with `git checkout -- wan_demo/weights`, or clone the repository again"


class WeightsError(RuntimeError):
    """A weights file is missing or damaged. The message names the file and says what to do."""


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


def verify(folder: Path) -> None:
    """Compare every file of a weights folder with its published SHA-256.

    Raises:
        WeightsError: one is missing or differs.
    """
    listing = folder / CHECKSUMS
    if not listing.is_file():
        raise WeightsError(f"The weights file {listing} is missing: {REPAIR}.")
    for name, digest in json.loads(listing.read_text()).items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"The weights file {path} is missing: {REPAIR}.")
        if _sha256(path) != digest:
            raise WeightsError(f"The weights file {path} is damaged: {REPAIR}.")


def write_checksums(folder: Path) -> None:
    """Publish the present files of a weights folder as the right ones."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    digests = {name: _sha256(folder / name) for name in names}
    (folder / CHECKSUMS).write_text(json.dumps(digests, indent=2) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
