"""Writes trained parts into a weights folder that both `wan_demo` and diffusers' WanPipeline open."""

import copy
import json
from pathlib import Path

import safetensors.torch
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from wan_demo import quantize
from wan_demo.finish.refine import WEIGHTS, Refiner
from wan_demo.integrity import write_checksums
from wan_demo.presets import find


def text(tokenizer: PreTrainedTokenizerFast, encoder: UMT5EncoderModel, folder: Path) -> None:
    tokenizer.backend_tokenizer.no_padding()  # which the last call left
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(folder / "tokenizer")
    encoder.save_pretrained(folder / "text_encoder")
    _finish(folder)


def autoencoder(vae: AutoencoderKLWan, folder: Path) -> None:
    _save(vae.to(torch.float16), folder / "vae")
    _finish(folder)


def upsampler(model: LTXLatentUpsamplerModel, folder: Path) -> None:
    _save(model.to(torch.float16), folder / "upsampler")
    _finish(folder)


def refiner(model: Refiner, folder: Path) -> None:
    (folder / "refiner").mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu().half().contiguous() for name, value in model.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "refiner" / WEIGHTS)
    _finish(folder)


def experts(high: WanTransformer3DModel, low: WanTransformer3DModel, folder: Path) -> None:
    """The teacher's two experts, as float16."""
    _save(high.to(torch.float16), folder / "transformer")
    _save(low.to(torch.float16), folder / "transformer_2")
    _finish(folder)


def students(high: WanTransformer3DModel, low: WanTransformer3DModel, folder: Path, whole: Path) -> None:
    """The two students, as 8-bit; and as float16 in `whole`, to tell what 8 bits cost."""
    _save(copy.deepcopy(high).to(torch.float16), whole / "transformer")
    _save(copy.deepcopy(low).to(torch.float16), whole / "transformer_2")
    quantize.save(quantize.quantize(high.cpu()), folder / "distilled" / "transformer")
    quantize.save(quantize.quantize(low.cpu()), folder / "distilled" / "transformer_2")
    _finish(folder)


def _save(model: AutoencoderKLWan | WanTransformer3DModel | LTXLatentUpsamplerModel, folder: Path) -> None:
    model.register_to_config(_name_or_path="")  # else it tells where on this machine the training began
    model.save_pretrained(folder)


def _finish(folder: Path) -> None:
    """Make the folder a diffusers pipeline, and publish its files' checksums."""
    preset = find("pocket", "full")
    FlowMatchEulerDiscreteScheduler(shift=preset.schedule.shift).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(model_index(preset.boundary), indent=2) + "\n")
    write_checksums(folder)


def model_index(boundary: float) -> dict[str, object]:
    """What tells diffusers which class is in which subfolder."""
    return {
        "_class_name": "WanPipeline",
        "boundary_ratio": boundary,
        "expand_timesteps": False,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "transformer_2": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
