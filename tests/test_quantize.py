from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Linear8bitLt
from safetensors.torch import load_file, save_file

from tests.tiny import tiny_expert
from wan_demo import quantize


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, 4, 3, 4, 6), torch.tensor([500.0]), torch.randn(1, 7, 16)


@torch.no_grad()
def test_eight_bits_stay_near_the_original_and_survive_a_save(tmp_path: Path) -> None:
    original = tiny_expert(2)(*inputs()).sample
    model = quantize.quantize(tiny_expert(2))
    direct = model(*inputs()).sample
    assert (direct - original).norm() < 0.05 * original.norm()
    assert not torch.equal(direct, original)
    quantize.save(model, tmp_path)
    loaded = quantize.load(tmp_path)
    # what is not 8-bit was stored as float16
    torch.testing.assert_close(loaded(*inputs()).sample, direct, atol=5e-3, rtol=5e-3)
    assert torch.equal(loaded.blocks[0].attn1.to_q.weight.data, model.blocks[0].attn1.to_q.weight.data)


def test_the_file_has_the_keys_that_diffusers_reads(tmp_path: Path) -> None:
    quantize.save(quantize.quantize(tiny_expert(2)), tmp_path)
    state = load_file(tmp_path / quantize.FILE)
    name = "blocks.1.ffn.net.2"
    assert state[f"{name}.weight"].dtype == torch.int8
    assert state[f"{name}.SCB"].dtype == torch.float32
    assert f"{name}.weight_format" in state
    assert f"{name}.bias" in state
    assert state["proj_out.weight"].dtype == torch.float16
    assert quantize.is_quantized(tmp_path)


def test_no_float_weight_is_left_in_the_blocks(tmp_path: Path) -> None:
    quantize.save(quantize.quantize(tiny_expert(2)), tmp_path)
    layers = [m for m in quantize.load(tmp_path).blocks.modules() if isinstance(m, torch.nn.Linear)]
    assert layers
    assert all(isinstance(m, Linear8bitLt) and m.weight.dtype == torch.int8 for m in layers)


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    quantize.save(quantize.quantize(tiny_expert(2)), tmp_path)
    state = load_file(tmp_path / quantize.FILE)
    del state["proj_out.weight"]
    save_file(state, tmp_path / quantize.FILE)
    with pytest.raises(ValueError, match=r"proj_out\.weight"):
        quantize.load(tmp_path)
