"""Whether a tier fits the machine, by what plan, and how long its models will take; before anything is loaded.

Memory is traced (`cost`), not guessed; time is the traced work divided by rates that are measured on the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import psutil
import torch

from wan_demo import cost, rates
from wan_demo.cost import Cost
from wan_demo.plans import GIB, PLANS, Fit, Plan, named
from wan_demo.presets import Preset
from wan_demo.setup import require_device
from wan_demo.shapes import Compression

SPARE = 0.05  # of a GPU's memory: what its allocator cannot use
CONTEXT = 0.6 * GIB  # what CUDA takes for itself


@dataclass(frozen=True)
class Device:
    """type: cpu or cuda; memory, host: bytes free on it, and in the machine."""

    type: str
    memory: float
    host: float

    @property
    def room(self) -> float:
        """Bytes that a plan may use."""
        return self.memory if self.type == "cpu" else self.memory * (1 - SPARE) - CONTEXT


@dataclass(frozen=True)
class Needs:
    """What a preset's parts cost at its sizes. layers: blocks of an expert; pieces: an expert's forward in pieces."""

    layers: int
    text: Cost
    layout: Cost
    finish: Cost
    pieces: Cost
    decode: Cost
    tiles: Cost


def look(device: str) -> Device:
    """The device as it is now; what this process holds of it counts as free.

    Raises:
        RequestError: there is none of this type.
    """
    host = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    if device == "cpu":
        return Device(device, host, host)
    require_device(device)
    return Device(device, torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved(), host)


def sizes(preset: Preset) -> list[Preset]:
    """The preset once at each size that it draws."""
    return [replace(preset, layout=layout, finish=finish) for layout, finish in preset.drawings]


def choose(preset: Preset, device: str, name: str = "") -> Plan:
    """The plan of this name, or without one the first by which every size of the preset fits the device, or the last.

    Raises:
        RequestError: there is no such plan or device.
    """
    if name:
        return named(name)
    return PLANS[0] if device == "cpu" else first_that_fits(preset, look(device))


def first_that_fits(preset: Preset, device: Device) -> Plan:
    """The first plan by which every size of the preset fits, or the last."""
    largest = max(sizes(preset), key=lambda one: one.finish.width * one.finish.height)
    return next(plan for plan in PLANS if plan.name == fit(largest, device).plan)


def fit(preset: Preset, device: Device, timed: bool = False, plan: Plan | None = None) -> Fit:
    """Whether the preset, at its size, fits the device: by the first plan that does, or by the one that is asked for.

    timed: measure the device, for the time of what fits.
    """
    needs = needs_of(preset)
    options = (plan,) if plan else PLANS[:1] if device.type == "cpu" else PLANS
    tried = [(option, peak(needs, option), 0 if device.type == "cpu" else host(needs, option)) for option in options]
    fitting = [one for one in tried if one[1] <= device.room and one[2] <= device.host]
    chosen, most, home = (fitting or tried[-1:])[0]
    return Fit(
        tier=preset.tier,
        width=preset.finish.width,
        height=preset.finish.height,
        frames=preset.finish.frames,
        plan=chosen.name,
        fits=bool(fitting),
        peak_gib=most / GIB,
        room_gib=device.room / GIB,
        host_gib=home / GIB,
        model_s=seconds(preset, needs, speed(device.type, preset)) if timed and fitting else None,
        why=_why(bool(fitting), chosen, (most, device.room), (home, device.host)),
    )


@lru_cache(maxsize=64)
def speed(device: str, preset: Preset) -> Mapping[str, float]:
    """The device's rates at the preset's kinds of work."""
    return rates.measure(torch.device(device), preset)


@lru_cache(maxsize=64)
def needs_of(preset: Preset) -> Needs:
    """Trace a preset's parts."""
    parts = cost.configs(preset)
    expert, vae = parts["transformer"], parts["vae"]
    shape = Compression(
        vae.get("scale_factor_spatial", 8), vae.get("scale_factor_temporal", 4), expert["patch_size"][1]
    )
    finish, tokens = shape.latents(preset.finish), cost.window(preset)

    def forward(which: int, latents: tuple[int, int, int], pieces: int = 1) -> Cost:
        rows = preset.at_once(which)
        return cost.expert_cost(expert, latents, preset.precision, preset.layers, pieces, tokens, rows)

    return Needs(
        expert["num_layers"],
        cost.text_cost(parts["text_encoder"], preset.precision, tokens),
        forward(0, shape.latents(preset.layout)),
        forward(1, finish),
        forward(1, finish, max(plan.pieces for plan in PLANS)),
        cost.decoder_cost(vae, finish, tiles=False),
        cost.decoder_cost(vae, finish, tiles=True),
    )


def peak(needs: Needs, plan: Plan) -> int:
    """Bytes on the device at the fullest moment of a plan: of encoding, of an expert's forward, or of decoding."""
    expert = needs.pieces if plan.pieces > 1 else needs.finish
    decoder = needs.tiles if plan.tiles else needs.decode
    visiting = 0 if "low" in plan.stays else expert.weights
    if plan.streamed:  # the block that works, and the one that is fetched
        visiting -= (needs.layers - 2) * expert.block
    text = 0 if "text_encoder" in plan.stays else needs.text.weights
    stays = sum(size for name, size in _weights(needs).items() if name in plan.stays)
    return stays + max(text + needs.text.activations, visiting + expert.activations, decoder.activations)


def host(needs: Needs, plan: Plan) -> int:
    """Bytes in the machine's own memory: of what is not always on the device."""
    return sum(size for name, size in _weights(needs).items() if name not in plan.stays)


def _weights(needs: Needs) -> dict[str, int]:
    expert = needs.finish.weights
    return {"text_encoder": needs.text.weights, "high": expert, "low": expert, "vae": needs.decode.weights}


def work(preset: Preset, needs: Needs) -> dict[str, float]:
    """Floating-point operations of a clip by kind, from prompt to picture; finishing and sound are not in it."""
    high, low = (2 if guidance != 1 else 1 for guidance in preset.guidances)
    schedule = preset.schedule
    parts = [(2, needs.text), (1, needs.decode)]
    parts += [(high * (len(schedule.high) - 1), needs.layout), (low * (len(schedule.low) - 1), needs.finish)]
    return {kind: sum(times * part.work[kind] for times, part in parts) for kind in needs.finish.work}


def seconds(preset: Preset, needs: Needs, rate: Mapping[str, float]) -> float:
    """What the models will take for a clip's `work`, at these operations a second."""
    return sum(amount / rate[kind] for kind, amount in work(preset, needs).items() if amount)


def _why(fits: bool, plan: Plan, device: tuple[float, float], machine: tuple[float, float]) -> str:
    """device, machine: bytes needed and bytes there are."""
    needed, room = (part / GIB for part in device)
    if fits:
        return f"{plan.why}: {needed:.1f} of {room:.1f} GiB"
    if needed > room:
        return f"even if {plan.why}, {needed:.1f} GiB are needed and {max(room, 0):.1f} are free"
    needed, room = (part / GIB for part in machine)
    return f"{needed:.1f} GiB of the machine's own memory are needed and {room:.1f} are free"
