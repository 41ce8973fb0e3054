"""The chain: one call a stage, from a Request to a Published clip."""

import gc
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from wan_demo import mp4
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.diffuse import denoise, noise
from wan_demo.edit import Edit, compose, listen, times
from wan_demo.events import Event, Notice, Progress, Published
from wan_demo.finish.frame_rate import Means
from wan_demo.finish.mend import mend
from wan_demo.flow import add_noise
from wan_demo.lengthen import lengthen
from wan_demo.models import Models, step_down
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.publish import publish
from wan_demo.request import Request
from wan_demo.safety.inspector import Inspector
from wan_demo.shapes import ClipShape
from wan_demo.sound.track import Given
from wan_demo.text import check_prompt, unknown_words
from wan_demo.upsample import upsample
from wan_demo.values import Latents, PromptEmbeds

Result = TypeVar("Result")
Drawing = Generator[Event, None, tuple[Clip, Mapping[str, Any]]]  # returns what of the report is known there alone, too
Pictures = Callable[[Request, Preset, Models, Clock], Drawing]


def pictures(request: Request, preset: Preset, models: Models, clock: Clock) -> Drawing:
    """The models' part of the chain, and all of it that wants a GPU. preset: as drawn for this request."""
    latents = yield from with_less_memory(models, lambda: draw(request, preset, models, clock))
    clip = yield from with_less_memory(models, lambda: decoded(latents, models, clock))
    return clip, {}


def generate(
    request: Request,
    preset: Preset,
    models: Models,
    identity: Identity,
    output: Path,
    inspector: Inspector,
    expected: Callable[[str], Mapping[str, float]] = lambda workload: {},
    pictures: Pictures = pictures,
) -> Generator[Event, None, None]:
    """Make the clip: yields Progress (and any Notice) as it goes and Published at the end. Close it to cancel.

    identity: whose clip it will be; inspector: the operator's own rules; expected: seconds a stage of such a
    workload took before, for the time left. pictures: runs the models, here or where there is a GPU.

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
    unknown = dict.fromkeys(w for t in (request.prompt, request.negative) for w in unknown_words(t, models.tokenizer))
    if unknown:
        yield Notice(f"This model does not know: {', '.join(unknown)}. {preset.knows}")
    workload = preset.workload(request.mode, request.duration_s)
    clock, started = Clock(expected(workload)), time.perf_counter()
    preset = preset.drawn(request.delivery, request.duration_s)
    clip, elsewhere = yield from pictures(request, preset, models, clock)
    edit = yield from _edit(clip, request, given, clock)
    mark = identity.mark(facts(request, preset, given))
    means = Means.on(models.device, models.refiner)
    made, seen, fingerprint = yield from publish(edit, request, mark, identity, output, inspector, clock, means)
    seconds = {**clock.seconds, "total": time.perf_counter() - started}
    told = report(request, preset, output, made, seconds)
    told |= {"workload": workload, "plan": models.plan.name, **edit.figures, "operator": seen, **elsewhere}
    yield Published(output, {"id": mark, **told}, fingerprint)


def _admit(request: Request, preset: Preset, models: Models, inspector: Inspector) -> None:
    """Refuse what may not or cannot be made, before anything is. Raises RequestError."""
    preset.check(request)
    inspector.check_request(request)
    check_prompt(request.prompt, models.tokenizer)
    check_prompt(request.negative, models.tokenizer, "negative prompt")


def with_less_memory(
    models: Models, make: Callable[[], Generator[Progress, None, Result]]
) -> Generator[Event, None, Result]:
    """What `make` returns; where the device's memory overflows, it is made anew by the next smaller memory plan.

    Raises:
        WeightsError: there is no smaller plan.
    """
    while True:
        with suppress(torch.OutOfMemoryError):
            return (yield from make())
        gc.collect()  # what the failed run held is let go only now
        models.follow(step_down(models.plan))
        yield Notice(f"The device's memory was full, so from now on {models.plan.why}, which takes longer.")


def decoded(latents: Latents, models: Models, clock: Clock) -> Generator[Progress, None, Clip]:
    """Clean latents of one clip (see `decode`) as a stage: yields Progress, returns its frames."""
    with clock.stage("decode"):
        yield clock.progress()
        with models.present("vae") as vae:
            return decode(latents, vae)


def _edit(clip: Clip, request: Request, given: Given, clock: Clock) -> Generator[Event, None, Edit]:
    """Mend, and add the sound."""
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
    """The models' part of the chain: yields Progress, returns clean latents of one clip.

    What lasts longer than the model draws at once is that, slowed down, and then drawn anew by the low-noise expert,
    which sees it through windows as long as what it knows: it takes away what slowing down has blurred.
    """
    generator, schedule = torch.Generator().manual_seed(request.seed), preset.schedule
    with clock.stage("encode"):
        yield clock.progress()
        prompt = models.encode(request.prompt, request.negative)
    first, last = (preset.direct if request.mode == "direct" else preset.layout), preset.last(request.mode)
    shape = models.compression.latents(first)
    x = noise((1, models.high.config.in_channels, *shape), generator).to(models.device)
    latents = Latents(x, 1.0, first.fps)
    if request.mode == "direct":
        edges = schedule.direct
        cut = sum(s >= preset.boundary for s in edges[:-1])
        latents, _ = yield from _denoise("layout", models, latents, edges[: cut + 1], prompt, preset, clock)
        if cut < len(edges) - 1:  # else the last step begins at the boundary, which is the high-noise expert's still
            latents, _ = yield from _denoise("detail", models, latents, edges[cut:], prompt, preset, clock)
    else:
        _, clean = yield from _denoise("layout", models, latents, schedule.high, prompt, preset, clock)
        with clock.stage("upsample"):
            yield clock.progress()
            large = upsample(clean, models.compression.latents(last), last.fps, models.upsampler)
            latents = _noised(large, schedule.low[0], generator)
        latents, _ = yield from _denoise("detail", models, latents, schedule.low, prompt, preset, clock)
    longer = preset.longer(request.mode, request.duration_s)
    if longer is not None:
        with clock.stage("lengthen"), models.present("vae") as vae:
            yield clock.progress()
            long = lengthen(latents, longer.frames, vae, Means.on(models.device, models.refiner))
            latents = _noised(long, schedule.low[0], generator)
        latents, _ = yield from _denoise("redraw", models, latents, schedule.low, prompt, preset, clock)
    return latents


def _noised(clean: Latents, sigma: float, generator: torch.Generator) -> Latents:
    return Latents(add_noise(clean.x, noise(clean.x.shape, generator).to(clean.x.device), sigma), sigma, clean.fps)


def _denoise(
    stage: str,
    models: Models,
    latents: Latents,
    sigmas: Sequence[float],
    prompt: PromptEmbeds,
    preset: Preset,
    clock: Clock,
) -> Generator[Progress, None, tuple[Latents, Latents]]:
    """Run `denoise` as a stage, the layout's with the high-noise expert; the last latents and their clean estimate."""
    steps, name = len(sigmas) - 1, "high" if stage == "layout" else "low"
    guidance = preset.guidances[stage != "layout"]
    with clock.stage(stage), models.present(name) as expert:
        yield clock.progress(0, steps)
        window = models.compression.latents(preset.finish)[0]
        walk = denoise(expert, latents, sigmas, prompt, guidance, "together" in preset.tricks, window)
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
    return {
        "output": str(output),
        "prompt": request.prompt,
        "negative": request.negative,
        "tier": request.tier,
        "seed": request.seed,
        "label": asdict(request.delivery.label),
        "family": preset.family,
        "width": made.size[0],
        "height": made.size[1],
        "codec": made.codec,
        "fps": str(made.fps),
        "frames": made.frames,
        "duration_s": float(made.frames / made.fps),
        "seconds": {k: round(v, 3) for k, v in seconds.items()},
        "peak_memory_gib": round(peak_gib(), 3),
        "settings": _settings(request, preset),
    }


def peak_gib() -> float:
    """The most memory that this process has held: of the GPU where there is one, else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 2**30 if sys.platform == "darwin" else 2**20  # macOS counts in bytes, Linux in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _settings(request: Request, preset: Preset) -> dict[str, Any]:
    return {
        "mode": request.mode,
        "timing": request.delivery.timing,
        "mend": request.delivery.mend,
        **({} if request.sound.silent else {"soundtrack": _soundtrack(request)}),
        **_drawn_at(request, preset),
        "boundary": preset.boundary,
        "guidance": preset.guidance,
        **({} if preset.low_guidance is None else {"low_guidance": preset.low_guidance}),
        **({"tricks": list(preset.tricks)} if preset.tricks else {}),
        "sigmas": _sigmas(request, preset),
    }


def _drawn_at(request: Request, preset: Preset) -> dict[str, str]:
    longer = preset.longer(request.mode, request.duration_s)
    chain = {"layout": preset.layout, "finish": preset.finish, "lengthened": longer}
    shapes = {"layout": preset.direct, "lengthened": longer} if request.mode == "direct" else chain
    return {name: _shape(shape) for name, shape in shapes.items() if shape is not None}


def _soundtrack(request: Request) -> dict[str, Any]:
    file = request.sound.file
    return {**asdict(request.sound), "file": None if file is None else file.name}


def _shape(shape: ClipShape) -> str:
    return f"{shape.width}x{shape.height}x{shape.frames}@{shape.fps}"


def _sigmas(request: Request, preset: Preset) -> dict[str, list[float]]:
    names = ["direct"] if request.mode == "direct" else ["high", "low"]
    if request.mode == "direct" and preset.longer(request.mode, request.duration_s):
        names.append("low")
    return {n: [round(s, 5) for s in getattr(preset.schedule, n)] for n in names}
