"""A whole tiny Wan2.2 with random weights, saved as the shipped weights are."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from distill import export
from wan_demo import quantize
from wan_demo.integrity import write_checksums

# English words of the world at one time: those that it learns later do not change the golden numbers.
TOKENIZER = Path(__file__).parent / "golden" / "tokenizer"
STEPS, SHIFT, BOUNDARY, GUIDANCE = 6, 3.0, 0.7, 4.0


def tiny_expert(seed: int, text_dim: int = 16) -> WanTransformer3DModel:
    torch.manual_seed(seed)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        text_dim=text_dim,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
        rope_max_seq_len=128,
    )


def save_tiny(folder: Path) -> None:
    """Write every part into `folder` as float32, the students as 8-bit, and the checksums: as `distill export` does."""
    save_pipeline(folder)
    quantize.save(quantize.quantize(tiny_expert(2)), folder / "distilled" / "transformer")
    quantize.save(quantize.quantize(tiny_expert(3)), folder / "distilled" / "transformer_2")
    write_checksums(folder)


def save_pipeline(folder: Path, shard: str = "10GB") -> None:
    """Write every part into `folder` as float32, with the index that WanPipeline wants: as the hub's repository is.

    shard: size of a weights file at most; the autoencoder has one file.
    """
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TOKENIZER)
    tokenizer.save_pretrained(folder / "tokenizer")
    torch.manual_seed(1)
    text = UMT5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_heads=2, num_layers=2)
    UMT5EncoderModel(text).save_pretrained(folder / "text_encoder", max_shard_size=shard)
    AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 0.5, 1.0, 2.0],
        scale_factor_spatial=8,
    ).save_pretrained(folder / "vae")
    tiny_expert(2).save_pretrained(folder / "transformer", max_shard_size=shard)
    tiny_expert(3).save_pretrained(folder / "transformer_2", max_shard_size=shard)
    FlowMatchEulerDiscreteScheduler(shift=SHIFT).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(export.model_index(BOUNDARY)))
