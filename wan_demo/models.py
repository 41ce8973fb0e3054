"""A preset's parts, loaded and checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from wan_demo import placement, quantize
from wan_demo.decode import by_onednn
from wan_demo.finish.refine import Refiner, load_refiner
from wan_demo.integrity import WeightsError, contents, inspect, verify
from wan_demo.plans import PLANS, Plan, smaller
from wan_demo.presets import Preset
from wan_demo.reader import Reader
from wan_demo.shapes import Compression
from wan_demo.text import encode_prompts
from wan_demo.values import PromptEmbeds

# The error too, for those who load.
__all__ = ["DTYPES", "EXPERTS", "WINDOW", "Models", "WeightsError", "load", "load_expert", "load_upsampler"]

EXPERTS = ("high", "low")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LARGE = 1 << 30  # bytes of a text encoder from which on it is worth a place on the disk not to load it
WINDOW = 512  # tokens of a prompt that Wan reads
HOME = torch.device("cpu")  # where parts are that are not on the device


@dataclass(frozen=True)
class Shared:
    """What the tiers of a family have in common. of: the weights' folder, precision and device that it is of.

    refiner, upsampler: None where none was trained.
    """

    of: tuple[Path, str, str]
    reader: Reader
    vae: AutoencoderKLWan
    refiner: Refiner | None = None
    upsampler: LTXLatentUpsamplerModel | None = None


@dataclass
class Models:
    """Everything a chain needs, in evaluation mode. upsampler: None where it does not fit this tier.

    plan: which parts stay on the device; the others are at home in the machine's memory, pinned there for a GPU, but
    for a process that has none yet.
    """

    shared: Shared
    high: WanTransformer3DModel
    low: WanTransformer3DModel
    upsampler: LTXLatentUpsamplerModel | None = None
    device: torch.device = HOME
    plan: Plan = PLANS[0]
    pinned: bool = True

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.shared.reader.tokenizer

    @property
    def text_encoder(self) -> UMT5EncoderModel:
        """Loaded now, if it was not, and put where the plan wants it."""
        reader = self.shared.reader
        if not reader.loaded:
            self._put("text_encoder", reader.encoder, self.plan)
        return reader.encoder

    @property
    def vae(self) -> AutoencoderKLWan:
        return self.shared.vae

    @property
    def refiner(self) -> Refiner | None:
        return self.shared.refiner

    def encode(self, prompt: str, negative: str) -> PromptEmbeds:
        """The two texts, read by the text encoder, or remembered, so that it need not come, nor be loaded."""
        texts, reader = (prompt, negative), self.shared.reader
        found = reader.find(texts, self.device)
        if found is not None:
            return found
        with self.present("text_encoder") as encoder:
            return reader.keep(texts, encode_prompts(texts, self.tokenizer, encoder))

    @property
    def compression(self) -> Compression:
        config = self.vae.config
        return Compression(config.scale_factor_spatial, config.scale_factor_temporal, self.high.config.patch_size[1])

    @contextmanager
    def present(self, name: str) -> Iterator[Any]:
        """A part, by its name here, on the device at least as long as the block lasts."""
        part = getattr(self, name)
        streamed = self.plan.streamed and name in EXPERTS
        if part is None or streamed or name in self.plan.stays or self.device == HOME:
            yield part
        else:
            with placement.lent(part, self.device):
                yield part

    def follow(self, plan: Plan) -> None:
        """Put every part where `plan` wants it. A plan that needs more than the one before is not gone back to."""
        for name in EXPERTS:
            placement.in_pieces(getattr(self, name), plan.pieces)
        names = ("text_encoder",) if self.shared.reader.loaded else ()
        for name in (*names, "vae", "upsampler", *EXPERTS):
            part, streamed = getattr(self, name), name in EXPERTS and plan.streamed
            if part is not None and not (streamed and self.plan.streamed):
                self._put(name, part, plan)
        self.vae.use_tiling = plan.tiles
        self.plan = plan

    def _put(self, name: str, part: Any, plan: Plan) -> None:
        part.to(self.device if name in plan.stays else "cpu")
        if plan.streamed and name in EXPERTS:
            placement.stream(part, self.device)
        elif self.pinned and self.device.type == "cuda" and name not in plan.stays:
            placement.pin(part)


def load(
    preset: Preset, device: str = "cpu", plan: Plan = PLANS[0], like: Shared | None = None, pinned: bool = True
) -> Models:
    """Load a preset's parts in its precision (8-bit experts stay 8-bit), and put them where the plan wants them.

    The text encoder is loaded when a prompt needs it. like: another tier's parts, which are taken if they are the same.
    pinned: see Models.

    Raises:
        WeightsError: a file is missing or is not what was published.
    """
    if preset.source:  # a repository of the hub's lists no checksums
        inspect(preset.weights, experts=preset.experts == preset.weights)
    else:
        verify(preset.weights, preset.repair)
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    dtype = DTYPES[preset.precision]
    of = (preset.weights, preset.precision, device)
    models = Models(
        like if like is not None and like.of == of else load_shared(*of),
        load_expert(preset.experts / "transformer", dtype, preset.layers),
        load_expert(preset.experts / "transformer_2", dtype, preset.layers),
        device=torch.device(device),
        pinned=pinned,
    )
    if _doubles(preset, models.compression):
        models.upsampler = models.shared.upsampler
    models.follow(plan)
    return models


def step_down(plan: Plan) -> Plan:
    """The plan to go on with where the device's memory overflowed.

    Raises:
        WeightsError: there is no smaller one.
    """
    less = smaller(plan)
    if less is None:
        raise WeightsError("The device has too little memory for this model: end what else uses it, and try again.")
    return less


def load_shared(root: Path, precision: str, device: str) -> Shared:
    """All but the experts. What a large text encoder reads is remembered on disk too."""
    encoder, tokenizer = root / "text_encoder", root / "tokenizer"
    large = sum(path.stat().st_size for path in encoder.glob("*.safetensors")) >= LARGE
    reader = Reader(
        load_tokenizer(tokenizer),
        lambda: UMT5EncoderModel.from_pretrained(encoder, dtype=DTYPES[precision]).eval(),
        f"{contents(encoder, tokenizer)} {precision}" if large else "",
    )
    vae = AutoencoderKLWan.from_pretrained(root / "vae", torch_dtype=torch.float32).eval()
    return Shared(
        (root, precision, device),
        reader,
        by_onednn(vae, torch.device(device)),
        load_refiner(root / "refiner", device),
        load_upsampler(root / "upsampler"),
    )


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
