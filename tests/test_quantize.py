import weakref
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Int8Params, Linear8bitLt
from diffusers import WanTransformer3DModel
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


def test_each_float_weight_goes_when_its_8_bit_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 14 billion, the two kinds side by side would be 43 GB."""
    seen: list[weakref.ref[torch.Tensor]] = []

    class Watched(quantize.Int8Linear):
        def __init__(self, layer: torch.nn.Linear) -> None:
            assert all(weight() is None for weight in seen)
            super().__init__(layer)
            seen.append(weakref.ref(layer.weight))

    monkeypatch.setitem(quantize.KINDS, "int8", Watched)
    quantize.quantize(tiny_expert(2))
    assert len(seen) == 2 * 10  # two blocks of two attentions and a feed-forward net


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
    blocks = list(quantize.load(tmp_path).blocks.modules())
    assert not [m for m in blocks if isinstance(m, torch.nn.Linear)]
    layers = [m for m in blocks if isinstance(m, quantize.Int8Linear)]
    assert len(layers) == 2 * 10  # two blocks of two attentions and a feed-forward net
    assert all(m.weight.dtype == torch.int8 for m in layers)


@torch.no_grad()
def test_int8_is_what_bitsandbytes_makes_of_a_layer() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(32, 24), torch.randn(2, 5, 32)
    theirs = Linear8bitLt(32, 24, has_fp16_weights=False)
    theirs.weight = Int8Params(layer.weight.data, requires_grad=False, has_fp16_weights=False).cpu()
    theirs.bias = layer.bias
    theirs.eval()
    torch.testing.assert_close(quantize.Int8Linear(layer)(x), theirs(x), atol=1e-6, rtol=0)


@torch.no_grad()
def test_what_float16_cannot_hold_stays_finite() -> None:
    assert quantize.Int8Linear(torch.nn.Linear(32, 24))(torch.full((3, 32), 1e6)).isfinite().all()


@torch.no_grad()
def test_fp8_stays_near_the_original() -> None:
    original = tiny_expert(2)(*inputs()).sample
    close = quantize.quantize(tiny_expert(2), "fp8")(*inputs()).sample
    assert 0 < (close - original).norm() < 0.05 * original.norm()


def test_half_of_an_eight_bit_model_is_where_diffusers_would_have_it(tmp_path: Path) -> None:
    quantize.save(quantize.quantize(tiny_expert(2)), tmp_path)
    plain = tmp_path / "plain"
    tiny_expert(2).save_pretrained(plain)
    theirs = WanTransformer3DModel.from_pretrained(plain, torch_dtype=torch.bfloat16)
    wanted = {k: v.dtype for k, v in theirs.state_dict().items()}
    ours = {k: v.dtype for k, v in quantize.load(tmp_path, torch.bfloat16).state_dict().items()}
    assert {k: v for k, v in ours.items() if v != torch.int8 and k in wanted} == {
        k: v for k, v in wanted.items() if ours[k] != torch.int8
    }


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    quantize.save(quantize.quantize(tiny_expert(2)), tmp_path)
    state = load_file(tmp_path / quantize.FILE)
    del state["proj_out.weight"]
    save_file(state, tmp_path / quantize.FILE)
    with pytest.raises(ValueError, match=r"proj_out\.weight"):
        quantize.load(tmp_path)
