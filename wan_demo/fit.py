"""Whether a tier fits the machine, by what plan, and how long its models will take; before anything is loaded.

Memory is traced (`cost`), not guessed; time is the traced work divided by rates measured on the device in a second.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch
import torch.nn.functional as F
from torch import nn

from wan_demo import cost, quantize
from wan_demo.cost import ATTENTION, CONV, MATMUL, Cost
from wan_demo.models import DTYPES, WINDOW
from wan_demo.plans import GIB, PLANS, Fit, Plan
from wan_demo.presets import Preset
from wan_demo.shapes import Compression

SPARE = 0.05  # of a device's memory: what its allocator cannot use
CONTEXT = 0.6 * GIB  # what CUDA takes for itself
TRIALS_S = 0.15  # for a rate


@dataclass(frozen=True)
class Device:
    """name: for people; memory, host: bytes free on it and in the machine; rates: operations a second by kind, or {}."""

    name: str
    memory: int
    host: int
    rates: dict[str, float]


@dataclass(frozen=True)
class Needs:
    """What a preset's parts cost at its sizes. layout, finish: a forward of an expert, with all tokens at once."""

    text: Cost
    layout: Cost
    finish: Cost
    in_pieces: Cost
    decode: Cost
    tiles: Cost


def look(device: str, preset: Preset) -> Device:
    """The device, with the rates at which it does a preset's kinds of work.

    Raises:
        RuntimeError: there is no such device.
    """
    host = psutil.virtual_memory().available
    rates = measure(torch.device(device), preset)
    if device == "cpu":
        return Device("CPU", host, host, rates)
    free, _ = torch.cuda.mem_get_info()
    return Device(torch.cuda.get_device_name(), free, host, rates)


def fit(preset: Preset, device: Device, plan: Plan | None = None) -> Fit:
    """Whether the preset, as it is, fits the device: by the first plan that does, or by the one that is asked for."""
    needs, config = measured_needs(preset), cost.configs(preset)["transformer"]
    cpu = device.name == "CPU"
    options = (plan,) if plan else PLANS[:1] if cpu else PLANS
    tried = [(option, peak(needs, option, config["num_layers"])) for option in options]
    room = device.memory if cpu else device.memory * (1 - SPARE) - CONTEXT
    chosen, most = next((pair for pair in tried if pair[1] <= room), tried[-1])
    host = 0 if cpu else host_bytes(needs, chosen)
    fits = most <= room and host <= device.host
    return Fit(
        preset.tier,
        preset.finish.width,
        preset.finish.height,
        preset.finish.frames,
        chosen.name,
        fits,
        most / GIB,
        room / GIB,
        host / GIB,
        seconds(preset, needs, device.rates),
        _why(fits, chosen, most, room, host, device.host),
    )


def sizes(preset: Preset) -> list[Preset]:
    """The preset once at each size that it draws."""
    from dataclasses import replace

    pairs = ((preset.layout, preset.finish), *preset.others)
    return [replace(preset, layout=layout, finish=finish) for layout, finish in pairs]


def measured_needs(preset: Preset) -> Needs:
    """Trace a preset's parts."""
    parts = cost.configs(preset)
    expert, vae = parts["transformer"], parts["vae"]
    shape = Compression(vae.get("scale_factor_spatial", 8), vae.get("scale_factor_temporal", 4), expert["patch_size"][1])
    layout, finish = shape.latents(preset.layout), shape.latents(preset.finish)

    def forward(latents: tuple[int, int, int], pieces: int = 1) -> Cost:
        return cost.expert_cost(expert, latents, preset.precision, preset.eight_bit, pieces, WINDOW)

    return Needs(
        cost.text_cost(parts["text_encoder"], preset.precision, WINDOW),
        forward(layout),
        forward(finish),
        forward(finish, max(plan.pieces for plan in PLANS)),
        cost.decoder_cost(vae, finish, tiles=False),
        cost.decoder_cost(vae, finish, tiles=True),
    )


def peak(needs: Needs, plan: Plan, layers: int) -> int:
    """Bytes on the device at the fullest moment of a plan: of encoding, of an expert's forward, or of decoding."""
    expert = needs.in_pieces if plan.pieces > 1 else needs.finish
    decoder = needs.tiles if plan.tiles else needs.decode
    weights = {"text_encoder": needs.text.weights, "high": expert.weights, "low": expert.weights, "vae": decoder.weights}
    stays = sum(size for name, size in weights.items() if name in plan.stays)
    visiting = 0 if "low" in plan.stays else expert.weights
    if plan.streamed:  # the block that works and the one that is fetched
        visiting = expert.weights - (layers - 2) * expert.block
    text = 0 if "text_encoder" in plan.stays else needs.text.weights
    return stays + max(text + needs.text.activations, visiting + expert.activations, decoder.activations)


def host_bytes(needs: Needs, plan: Plan) -> int:
    """Bytes in the machine's memory: of what is not always on the device."""
    weights = {"text_encoder": needs.text.weights, "high": needs.finish.weights, "low": needs.finish.weights}
    return sum(size for name, size in weights.items() if name not in plan.stays)


def seconds(preset: Preset, needs: Needs, rates: dict[str, float]) -> float | None:
    """What the models will take, from prompt to picture; finishing and sound are not in it."""
    if not rates:
        return None
    high, low = (2 if guidance != 1 else 1 for guidance in preset.guidances)
    calls = {
        1: needs.text,
        high * (len(preset.schedule.high) - 1): needs.layout,
    }
    total = _seconds(needs.text, rates) * (2 if high == 2 else 1) + _seconds(needs.decode, rates)
    total += high * (len(preset.schedule.high) - 1) * _seconds(needs.layout, rates)
    return total + low * (len(preset.schedule.low) - 1) * _seconds(needs.finish, rates)


def _seconds(part: Cost, rates: dict[str, float]) -> float:
    return sum(work / rates[kind] for kind, work in part.work.items() if work)


def measure(device: torch.device, preset: Preset) -> dict[str, float]:
    """Operations a second of a layer, of attention and of a decoder's convolution, of the widths of this preset."""
    parts, dtype = cost.configs(preset), DTYPES[preset.precision]
    expert, base = parts["transformer"], parts["vae"]["base_dim"]
    heads, size = expert["num_attention_heads"], expert["attention_head_dim"]
    small = device.type == "cpu"
    tokens, side = (512, 64) if small else (8192, 512)
    width = heads * size
    layer: nn.Module = nn.Linear(width, expert["ffn_dim"]).to(dtype)
    if preset.eight_bit or "quantization_config" in expert:
        layer = quantize.KINDS[preset.eight_bit or "int8"](layer)
    layer, conv = layer.to(device), nn.Conv3d(base, base, 3, padding=(0, 1, 1)).to(device)
    x = torch.randn(1, tokens, width, dtype=dtype, device=device)
    q = torch.randn(1, heads, tokens, size, dtype=dtype, device=device)
    picture = torch.randn(1, base, 6, side, side, device=device)
    with torch.no_grad():
        return {
            MATMUL: 2 * tokens * width * expert["ffn_dim"] / _timed(lambda: layer(x), device),
            ATTENTION: 4 * heads * size * tokens**2 / _timed(lambda: F.scaled_dot_product_attention(q, q, q), device),
            CONV: 2 * 27 * base**2 * 4 * side**2 / _timed(lambda: conv(picture), device),
        }


def _timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, the least of as many as there is time for."""
    best, started = math.inf, time.perf_counter()
    call()
    while best == math.inf or time.perf_counter() - started < TRIALS_S:
        before = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - before)
    return best


def _why(fits: bool, plan: Plan, most: int, room: float, host: int, host_free: int) -> str:
    if fits:
        return f"{plan.why}: {most / GIB:.1f} of {room / GIB:.1f} GiB"
    if most > room:
        return f"even when {plan.why}, {most / GIB:.1f} GiB are needed and {max(room, 0) / GIB:.1f} are free"
    return f"{host / GIB:.1f} GiB of the machine's own memory are needed and {host_free / GIB:.1f} are free"
