"""The chain: one call a stage, from a Request to a Published clip."""

import resource
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from wan_demo import mp4
from wan_demo.check import INTACT, Finding, check
from wan_demo.clip import Clip
from wan_demo.decode import decode
from wan_demo.diffuse import denoise, noise
from wan_demo.events import Event, Notice, Progress, Published
from wan_demo.finish.frame_rate import convert_frame_rate
from wan_demo.finish.resize import fit
from wan_demo.flow import add_noise
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.label import add_label, has_label
from wan_demo.provenance.metadata import add_xmp, tags
from wan_demo.provenance.signature import sign
from wan_demo.provenance.watermark import embed
from wan_demo.request import Label, Request, RequestError
from wan_demo.safety.frames import check_frames
from wan_demo.safety.inspector import Inspector
from wan_demo.safety.prompt import screen
from wan_demo.shapes import ClipShape, frame_count
from wan_demo.text import check_prompt, encode_prompts, unknown_words
from wan_demo.upsample import upsample
from wan_demo.values import Latents, PromptEmbeds

Result = TypeVar("Result")
FPS = Fraction(30)


class Clock:
    """Seconds a stage, and from those of an earlier run (`expected`) what is left."""

    def __init__(self, expected: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.expected = expected or {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.name, self.started = name, time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - self.started

    def progress(self, step: int = 0, steps: int = 1) -> Progress:
        now = self.expected.get(self.name)
        if now is None:
            return Progress(self.name, step, steps, None)
        if step:  # this run's own pace is better
            now = (time.perf_counter() - self.started) / step * steps
        later = (s for name, s in self.expected.items() if name not in (*self.seconds, self.name, "total"))
        return Progress(self.name, step, steps, now * (1 - step / steps) + sum(later))


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
    preset.check(request)
    refusal = screen(request.prompt)
    if refusal is not None:
        raise RequestError(refusal.sentence)
    inspector.check_request(request)
    check_prompt(request.prompt, models.tokenizer)
    unknown = unknown_words(request.prompt, models.tokenizer)
    if unknown:
        yield Notice(f"This model does not know: {', '.join(unknown)}. {preset.knows}")
    clock = Clock(expected)
    started = time.perf_counter()
    latents = yield from draw(request, preset, models, clock)
    clip, seen = yield from finish(latents, request, models, inspector, clock)
    mark = identity.mark(facts(request, preset))
    made = yield from _publish(clip, request.label, mark, identity, output, clock)
    seconds = {**clock.seconds, "total": time.perf_counter() - started}
    yield Published(output, {"id": mark, **report(request, preset, output, made, seconds), "operator": seen})


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
        large = upsample(clean, models.compression.latents(preset.finish), preset.finish.fps)
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


def finish(
    latents: Latents, request: Request, models: Models, inspector: Inspector, clock: Clock
) -> Generator[Progress, None, tuple[Clip, dict[str, Any]]]:
    """From clean latents to the labelled frames of the file, checked on the way, and what the operator's rules saw."""
    with clock.stage("decode"):
        yield clock.progress()
        clip = decode(latents, models.vae)
    with clock.stage("frame rate"):
        yield clock.progress()
        clip = convert_frame_rate(clip, FPS, frame_count(request.duration_s, FPS))
    with clock.stage("resize"):
        yield clock.progress()
        clip = fit(clip, request.width, request.height)
    with clock.stage("check"):
        yield clock.progress()
        check_frames(clip)
        seen = inspector.check_clip(clip)
    if request.label.place != "off":
        with clock.stage("label"):
            yield clock.progress()
            clip = add_label(clip, request.label.language, request.label.place)
    return clip, seen


def _publish(
    clip: Clip, label: Label, mark: str, identity: Identity, output: Path, clock: Clock
) -> Generator[Progress, None, mp4.Probe]:
    """Watermark, write, sign and read back; only what reads back whole is moved to `output`."""
    with clock.stage("watermark"):
        yield clock.progress()
        clip = embed(clip, bytes.fromhex(mark), identity.carrier_key)
    with mp4.replaced_when_done(output) as signed, tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.mp4"
        with clock.stage("write"):
            yield clock.progress()
            mp4.write(clip, draft, tags(mark))
            add_xmp(draft)
        with clock.stage("sign"):
            yield clock.progress()
            sign(draft, signed, identity, mark)
        with clock.stage("read back"):
            yield clock.progress()
            made, finding = mp4.probe(signed), check(signed, identity)
            labelled = label.place == "off" or all(
                has_label(frame.luma, label.language, label.place) for frame in mp4.read_planes(signed)
            )
            if (
                not labelled
                or made.frames != len(clip.frames)
                or finding != Finding(INTACT, "intact", "ours", mark, ())
            ):
                raise RuntimeError(
                    f"the file does not read back as it was signed: {made}, {finding}, label: {labelled}"
                )
    return made


def facts(request: Request, preset: Preset) -> dict[str, Any]:
    """What a clip follows from, and so what its name is made of."""
    return {**asdict(request), "family": preset.family, "settings": _settings(request, preset)}


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
        **{k: v for k, v in asdict(request).items() if k != "mode"},
        "family": preset.family,
        "width": made.width,
        "height": made.height,
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
        "layout": _shape(preset.layout),
        **({"finish": _shape(preset.finish)} if request.mode == "chain" else {}),
        "boundary": preset.boundary,
        "guidance": preset.guidance,
        "sigmas": _sigmas(request, preset),
    }


def _shape(shape: ClipShape) -> str:
    return f"{shape.width}x{shape.height}x{shape.frames}@{shape.fps}"


def _sigmas(request: Request, preset: Preset) -> dict[str, list[float]]:
    names = ("direct",) if request.mode == "direct" else ("high", "low")
    return {n: [round(s, 5) for s in getattr(preset.schedule, n)] for n in names}
