"""What a call of a model costs, before any weights are there: the real classes run on tensors that have shapes alone.

torch's meta device computes shapes and no numbers, so a 14 B expert at 720p is traced in a second on any machine. Two
of its blocks are; the others are like the second.
"""

import json
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import UMT5Config, UMT5EncoderModel

from wan_demo import placement, quantize, wan22
from wan_demo.decode import streamed
from wan_demo.integrity import WeightsError
from wan_demo.models import DTYPES, WINDOW
from wan_demo.presets import Preset

ATTENTION, MATMUL, CONV = "attention", "matmul", "conv"
TILE = 256  # pixels a side of what the decoder works on at once, as diffusers has it


@dataclass(frozen=True)
class Cost:
    """Of one call of a part. weights: its bytes; block: those of one of its blocks, 0 where it has none. activations:
    bytes that live beside the weights, at most. work: floating-point operations by kind, a multiply-add being two.
    """

    weights: int
    block: int
    activations: int
    work: dict[str, float]


def configs(preset: Preset) -> dict[str, dict[str, Any]]:
    """The config.json of each part: of the weights where they are here, else, if they can be fetched, as published.

    Raises:
        WeightsError: a part is missing that is not published.
    """
    folders = {"text_encoder": preset.weights, "vae": preset.weights, "transformer": preset.experts}
    found = {name: folder / name / "config.json" for name, folder in folders.items()}
    for path in found.values():
        if not (preset.source or path.is_file()):
            raise WeightsError(f"The weights file {path} is missing: {preset.repair}.")
    return {name: json.loads(p.read_text()) if p.is_file() else wan22.PARTS[name] for name, p in found.items()}


def window(preset: Preset) -> int:
    """Tokens of a prompt that the preset's experts are given: its tokenizer's, Wan's where it is not here."""
    path = preset.weights / "tokenizer" / "tokenizer_config.json"
    return min(WINDOW, json.loads(path.read_text())["model_max_length"]) if path.is_file() else WINDOW


def expert_cost(
    config: dict[str, Any],
    latents: tuple[int, int, int],
    precision: str,
    eight_bit: str,
    pieces: int,
    window: int,
    rows: int = 1,
) -> Cost:
    """A forward of an expert on latents (T, H, W) with `window` tokens of text, its feed-forward nets in pieces.

    rows: how many prompts it is asked at once; the work is that of one.
    """
    dtype, layers = DTYPES[precision], config["num_layers"]

    def build(blocks: int) -> WanTransformer3DModel:
        model = quantize.build({**config, "num_layers": blocks}, eight_bit, dtype)
        placement.in_pieces(model, pieces)
        return model

    def run(model: WanTransformer3DModel) -> Tensor:
        x = torch.empty(rows, config["in_channels"], *latents, dtype=dtype)
        text = torch.empty(rows, window, config["text_dim"], dtype=dtype)
        return model(x, torch.empty(rows), text).sample  # type: ignore[no-any-return]

    one, two = (_trace(partial(build, blocks), run) for blocks in (1, 2))
    block = two.weights - one.weights
    work = {kind: (one.work[kind] + (layers - 1) * (two.work[kind] - one.work[kind])) / rows for kind in one.work}
    return Cost(one.weights + (layers - 1) * block, block, two.activations, work)


def text_cost(config: dict[str, Any], precision: str, window: int) -> Cost:
    """A prompt of `window` tokens through the text encoder."""
    return _trace(
        lambda: UMT5EncoderModel(UMT5Config.from_dict(config)).to(DTYPES[precision]),
        lambda model: model(torch.empty(1, window, dtype=torch.long)).last_hidden_state,
    )


def decoder_cost(config: dict[str, Any], latents: tuple[int, int, int], tiles: bool) -> Cost:
    """Latents (T, H, W) to a picture, a latent frame at a time or, on tiles, all frames of one after another."""
    time, height, width = latents
    scale = config.get("scale_factor_spatial", 8)
    shown = (min(height, TILE // scale), min(width, TILE // scale)) if tiles else (height, width)

    def run(frames: int) -> Callable[[AutoencoderKLWan], Any]:
        z = torch.empty(1, config["z_dim"], frames, *shown, device="meta")
        return lambda vae: deque(streamed(z, vae), maxlen=0)

    two, three = (_trace(lambda: AutoencoderKLWan.from_config(config), run(n)) for n in (2, 3))
    share = height * width / (shown[0] * shown[1])
    work = {kind: share * (two.work[kind] + (time - 2) * (three.work[kind] - two.work[kind])) for kind in two.work}
    whole = 2 * 4 * 3 * (4 * time - 3) * height * width * scale**2 if tiles else 0  # the picture, twice in float32
    return Cost(three.weights, 0, three.activations + whole, work)


def _trace(build: Callable[[], nn.Module], run: Callable[[Any], Any]) -> Cost:
    with torch.device("meta"), torch.no_grad():
        model = build()
        tensors = [*model.parameters(), *model.buffers()]
        weights = sum(tensor.nbytes for tensor in tensors)
        live, flops = Live(tensors), FlopCounterMode(display=False, custom_mapping={_INT8: _int8_work})
        with _Fused(), flops, live:
            run(model)
    work = dict.fromkeys((ATTENTION, MATMUL, CONV), 0.0)
    for name, count in flops.get_flop_counts()["Global"].items():
        kind = ATTENTION if "attention" in str(name) else CONV if "conv" in str(name) else MATMUL
        work[kind] += count
    return Cost(weights, 0, live.peak, work)


_INT8 = torch.ops.bitsandbytes.int8_scaled_mm


def _int8_work(rows: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * int(rows[0]) * int(rows[1]) * int(weight[0])


class _Fused(TorchFunctionMode):
    """Attention as one kernel, which is what a GPU runs; on the meta device torch would write out all its scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
            query, key, value = given["query"], given["key"], given["value"]
            return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
        return func(*args, **(kwargs or {}))


class Live(TorchDispatchMode):
    """Counts the bytes of the tensors that were made and are still held, but for those that were there before."""

    def __init__(self, before: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.sizes = {tensor.untyped_storage()._cdata: 0 for tensor in before}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        inner = 4 * out.numel() if func._overloadpacket is _INT8 else 0  # the int32 product inside
        self.peak = max(self.peak, self.now + inner)
        return out

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self.sizes.pop(key, 0)
