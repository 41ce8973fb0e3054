"""The chain: one call a stage, from a Request to a Published clip."""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from wan_demo import mp4
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.diffuse import denoise, noise
from wan_demo.edit import Edit, compose, listen, times
from wan_demo.events import Event, Notice, Progress, Published
from wan_demo.finish.frame_rate import Means
from wan_demo.finish.mend import mend
from wan_demo.finish.refine import load_refiner
from wan_demo.flow import add_noise
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.publish import publish
from wan_demo.request import Request, RequestError
from wan_demo.safety.inspector import Inspector
from wan_demo.safety.prompt import screen
from wan_demo.shapes import ClipShape
from wan_demo.sound.track import Given
from wan_demo.text import check_prompt, encode_prompts, unknown_words
from wan_demo.upsample import upsample
from wan_demo.values import Latents, PromptEmbeds

Result = TypeVar("Result")


def generate(
    request: Request,
    preset: Preset,
    models: Models,
    identity: Identity,
    output: Path,
    inspector: Inspector,
    expected: Mapping[str, float] | None = None,
) -> Generator[Event, None, None]:
    """Make the clip: yields Progress (and any Notice) as it goes and Published at the end. Close it to cancel.

    identity: whose clip it will be; inspector: the operator's own rules; expected: seconds a stage took before, for
    the time left.

    Raises:
        RequestError: the prompt breaks a safety rule, the model cannot read it, or the clip is longer than it makes.
        FloatingPointError: a model gave no finite numbers.
        UnsafeClipError: the clip flashes, is black or stands still, or breaks a rule of the operator's.
        OSError, RuntimeError: the file could not be written, or does not read back as what was written.
    """
    _admit(request, preset, models, inspector)
    request, given = listen(request, preset)
    if request.sound.fit == "clip" and request.duration_s == preset.longest_s:
        yield Notice(f"Of the sound the first {preset.longest_s} s are heard: no clip of this model is longer.")
    unknown = unknown_words(request.prompt, models.tokenizer)
    if unknown:
        yield Notice(f"This model does not know: {', '.join(unknown)}. {preset.knows}")
    clock, started = Clock(expected), time.perf_counter()
    latents = yield from draw(request, preset, models, clock)
    edit = yield from _edit(latents, request, models, given, clock)
    mark = identity.mark(facts(request, preset, given))
    device = models.vae.device
    means = Means.on(device, load_refiner(preset.weights / "refiner", device))
    made, seen = yield from publish(edit, request, mark, identity, output, inspector, clock, means)
    seconds = {**clock.seconds, "total": time.perf_counter() - started}
    told = report(request, preset, output, made, seconds)
    yield Published(output, {"id": mark, **told, **edit.figures, "operator": seen})


def _admit(request: Request, preset: Preset, models: Models, inspector: Inspector) -> None:
    """Refuse what may not or cannot be made, before anything is. Raises RequestError."""
    preset.check(request)
    for text in (request.prompt, request.sound.narration):
        refusal = screen(text)
        if refusal is not None:
            raise RequestError(refusal.sentence)
    inspector.check_request(request)
    check_prompt(request.prompt, models.tokenizer)


def _edit(
    latents: Latents, request: Request, models: Models, given: Given, clock: Clock
) -> Generator[Event, None, Edit]:
    """Decode, mend, and add the sound."""
    with clock.stage("decode"):
        yield clock.progress()
        clip = decode(latents, models.vae)
    found: dict[str, Any] = {}
    if request.delivery.mend:
        with clock.stage("mend"):
            yield clock.progress()
            clip, found = mend(clip)
    edit = Edit(clip, times(clip, request), figures={"mended": found})
    if request.sound.silent:
        return edit
    with clock.stage("sound"):
        yield clock.progress()
        edit = compose(edit, request, given)
    if request.sound.beats and not edit.figures["beats"]["onsets"]:
        yield Notice("Nothing in this sound begins suddenly, so there was no beat to move to.")
    elif request.sound.beats and not edit.figures["beats"]["motions"]:
        yield Notice("Nothing in this clip moves suddenly, so there was nothing to put on the beat.")
    return edit


def result_of(events: Generator[Progress, None, Result]) -> Result:
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return cast(Result, stop.value)


def draw(request: Request, preset: Preset, models: Models, clock: Clock) -> Generator[Progress, None, Latents]:
    """The models' part of the chain: yields Progress, returns clean latents of one clip."""
    generator = torch.Generator().manual_seed(request.seed)
    device, schedule = models.vae.device, preset.schedule
    with clock.stage("encode"):
        yield clock.progress()
        prompt = encode_prompts([request.prompt, ""], models.tokenizer, models.text_encoder)
    shape = models.compression.latents(preset.layout)
    channels = models.high.config.in_channels
    x = noise((1, channels, *shape), generator).to(device)
    latents = Latents(x, 1.0, preset.layout.fps)
    if request.mode == "direct":
        edges = schedule.direct
        cut = sum(s >= preset.boundary for s in edges[:-1])
        latents, _ = yield from _denoise("layout", models.high, latents, edges[: cut + 1], prompt, preset, clock)
        latents, _ = yield from _denoise("detail", models.low, latents, edges[cut:], prompt, preset, clock)
        return latents
    _, clean = yield from _denoise("layout", models.high, latents, schedule.high, prompt, preset, clock)
    with clock.stage("upsample"):
        yield clock.progress()
        large = upsample(clean, models.compression.latents(preset.finish), preset.finish.fps, models.upsampler)
        fresh = noise(large.x.shape, generator).to(device)
        latents = Latents(add_noise(large.x, fresh, schedule.low[0]), schedule.low[0], large.fps)
    latents, _ = yield from _denoise("detail", models.low, latents, schedule.low, prompt, preset, clock)
    return latents


def _denoise(
    stage: str,
    expert: torch.nn.Module,
    latents: Latents,
    sigmas: Sequence[float],
    prompt: PromptEmbeds,
    preset: Preset,
    clock: Clock,
) -> Generator[Progress, None, tuple[Latents, Latents]]:
    """Run `denoise` as a stage; returns the last latents and the clean estimate at them."""
    steps = len(sigmas) - 1
    with clock.stage(stage):
        yield clock.progress(0, steps)
        walk = denoise(expert, latents, sigmas, prompt, preset.guidance)
        for i, state in enumerate(walk, 1):
            latents, clean = state
            yield clock.progress(i, steps)
    return latents, clean


def facts(request: Request, preset: Preset, given: Given) -> dict[str, Any]:
    """What a clip follows from, and so what its name is made of."""
    made = json.loads(json.dumps(asdict(request), default=str))
    if given.file is not None:  # what is heard of it counts, not where it lies
        made["sound"]["file"] = hashlib.sha256(given.file.samples.tobytes()).hexdigest()
    return {**made, "family": preset.family, "settings": _settings(request, preset)}


def report(
    request: Request, preset: Preset, output: Path, made: mp4.Probe, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """All that is worth knowing of a clip, every setting needed to make it again among it."""
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:  # of the process; macOS counts in bytes, Linux in KiB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    return {
        "output": str(output),
        "prompt": request.prompt,
        "tier": request.tier,
        "seed": request.seed,
        "label": asdict(request.label),
        "family": preset.family,
        "width": made.size[0],
        "height": made.size[1],
        "codec": made.codec,
        "fps": str(made.fps),
        "frames": made.frames,
        "duration_s": float(made.frames / made.fps),
        "seconds": {k: round(v, 3) for k, v in seconds.items()},
        "peak_memory_gib": round(peak, 3),
        "settings": _settings(request, preset),
    }


def _settings(request: Request, preset: Preset) -> dict[str, Any]:
    return {
        "mode": request.mode,
        "timing": request.delivery.timing,
        "mend": request.delivery.mend,
        **({} if request.sound.silent else {"soundtrack": _soundtrack(request)}),
        "layout": _shape(preset.layout),
        **({"finish": _shape(preset.finish)} if request.mode == "chain" else {}),
        "boundary": preset.boundary,
        "guidance": preset.guidance,
        "sigmas": _sigmas(request, preset),
    }


def _soundtrack(request: Request) -> dict[str, Any]:
    file = request.sound.file
    return {**asdict(request.sound), "file": None if file is None else file.name}


def _shape(shape: ClipShape) -> str:
    return f"{shape.width}x{shape.height}x{shape.frames}@{shape.fps}"


def _sigmas(request: Request, preset: Preset) -> dict[str, list[float]]:
    names = ("direct",) if request.mode == "direct" else ("high", "low")
    return {n: [round(s, 5) for s in getattr(preset.schedule, n)] for n in names}
