"""A preset's parts, loaded and checked."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from wan_demo import placement, quantize
from wan_demo.finish.refine import Refiner, load_refiner
from wan_demo.integrity import WeightsError, inspect, verify
from wan_demo.plans import PLANS, Plan
from wan_demo.presets import Preset
from wan_demo.shapes import Compression
from wan_demo.text import encode_prompts
from wan_demo.values import PromptEmbeds

# The error too, for those who load.
__all__ = ["DTYPES", "EXPERTS", "WINDOW", "Models", "WeightsError", "load", "load_expert", "load_upsampler"]

EXPERTS = ("high", "low")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PROMPTS = 64  # that are remembered
WINDOW = 512  # tokens of a prompt that Wan reads


@dataclass
class Models:
    """Everything a chain needs, in evaluation mode. upsampler, refiner: None where none was trained.

    plan: which parts stay on the device; the others are at home in the machine's memory, pinned there for a GPU, but
    for a process that has none yet. read: what was encoded.
    """

    tokenizer: PreTrainedTokenizerBase
    text_encoder: UMT5EncoderModel
    vae: AutoencoderKLWan
    high: WanTransformer3DModel
    low: WanTransformer3DModel
    upsampler: LTXLatentUpsamplerModel | None = None
    refiner: Refiner | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    plan: Plan = PLANS[0]
    pinned: bool = True
    read: OrderedDict[tuple[str, str], PromptEmbeds] = field(default_factory=OrderedDict)

    def encode(self, prompt: str, negative: str) -> PromptEmbeds:
        """The two texts, read by the text encoder; the last PROMPTS pairs are remembered, so that it need not come."""
        texts = (prompt, negative)
        if texts not in self.read:
            with self.present("text_encoder") as encoder:
                self.read[texts] = encode_prompts(texts, self.tokenizer, encoder)
        self.read.move_to_end(texts)
        if len(self.read) > PROMPTS:
            self.read.popitem(last=False)
        return self.read[texts]

    @property
    def compression(self) -> Compression:
        config = self.vae.config
        return Compression(config.scale_factor_spatial, config.scale_factor_temporal, self.high.config.patch_size[1])

    @contextmanager
    def present(self, name: str) -> Iterator[Any]:
        """A part, by its name here, on the device at least as long as the block lasts."""
        part = getattr(self, name)
        streamed = self.plan.streamed and name in EXPERTS
        if part is None or streamed or name in self.plan.stays or self.device.type == "cpu":
            yield part
        else:
            with placement.lent(part, self.device):
                yield part

    def follow(self, plan: Plan) -> None:
        """Put every part where `plan` wants it. A plan that needs more than the one before is not gone back to."""
        for name in EXPERTS:
            placement.in_pieces(getattr(self, name), plan.pieces)
        for name in ("text_encoder", "vae", "upsampler", *EXPERTS):
            part, streamed = getattr(self, name), name in EXPERTS and plan.streamed
            if part is None or (streamed and self.plan.streamed):
                continue
            part.to(self.device if name in plan.stays else "cpu")
            if streamed:
                placement.stream(part, self.device)
            elif self.pinned and self.device.type == "cuda" and name not in plan.stays:
                placement.pin(part)
        self.vae.use_tiling = plan.tiles
        self.plan = plan


def load(preset: Preset, device: str = "cpu", plan: Plan = PLANS[0], pinned: bool = True) -> Models:
    """Load a preset's parts in its precision (8-bit experts stay 8-bit), and put them where the plan wants them.

    pinned: see Models.

    Raises:
        WeightsError: a file is missing or is not what was published.
    """
    if preset.source:  # a repository of the hub's lists no checksums
        inspect(preset.weights, experts=preset.experts == preset.weights)
    else:
        verify(preset.weights)
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    root, dtype = preset.weights, DTYPES[preset.precision]
    models = Models(
        load_tokenizer(root / "tokenizer"),
        UMT5EncoderModel.from_pretrained(root / "text_encoder", dtype=dtype).eval(),
        AutoencoderKLWan.from_pretrained(root / "vae", torch_dtype=torch.float32).eval(),
        load_expert(preset.experts / "transformer", dtype, preset.layers),
        load_expert(preset.experts / "transformer_2", dtype, preset.layers),
        load_upsampler(root / "upsampler"),
        load_refiner(root / "refiner", device),
        torch.device(device),
        pinned=pinned,
    )
    if not _doubles(preset, models.compression):
        models.upsampler = None
    models.follow(plan)
    return models


def _doubles(preset: Preset, compression: Compression) -> bool:
    """Whether the finish is what the learned upsampler makes of the layout."""
    time, height, width = compression.latents(preset.layout)
    return compression.latents(preset.finish) == (2 * time - 1, 2 * height, 2 * width)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer; one that knows no bounds gets the encoder's window, as WanPipeline has it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = min(tokenizer.model_max_length, WINDOW)
    return tokenizer


def load_expert(folder: Path, dtype: torch.dtype = torch.float32, eight_bit: str = "") -> WanTransformer3DModel:
    """One expert, on the CPU: 8-bit where the folder says so, or made so here, a kind of quantize.KINDS."""
    if quantize.is_quantized(folder):
        return quantize.load(folder, dtype)
    model = WanTransformer3DModel.from_pretrained(folder, torch_dtype=dtype).eval()
    return quantize.quantize(model, eight_bit) if eight_bit else model


def load_upsampler(folder: Path) -> LTXLatentUpsamplerModel | None:
    """The latent upsampler as float32, or None where the folder does not exist."""
    if not folder.exists():
        return None
    return LTXLatentUpsamplerModel.from_pretrained(folder, torch_dtype=torch.float32).eval()
