"""The chain: one call a stage, from a Request to a Published clip."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch

from wan_demo import mp4
from wan_demo.check import INTACT, Finding, check
from wan_demo.clip import Clip
from wan_demo.decode import decode
from wan_demo.diffuse import denoise, noise
from wan_demo.events import FRAME_STAGES, Event, Notice, Progress, Published
from wan_demo.finish.frame_rate import frames_at
from wan_demo.finish.resize import fit
from wan_demo.flow import add_noise
from wan_demo.models import Models
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.label import add_label, has_label
from wan_demo.provenance.metadata import add_xmp, tags
from wan_demo.provenance.signature import sign
from wan_demo.provenance.watermark import Embedder
from wan_demo.request import Request, RequestError
from wan_demo.safety.frames import check_frames
from wan_demo.safety.inspector import Inspector, sampled
from wan_demo.safety.prompt import screen
from wan_demo.shapes import ClipShape, frame_count
from wan_demo.text import check_prompt, encode_prompts, unknown_words
from wan_demo.upsample import upsample
from wan_demo.values import Latents, PromptEmbeds

Result = TypeVar("Result")
Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB


class Clock:
    """Seconds a stage, and from those of an earlier run (`expected`) what is left."""

    def __init__(self, expected: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.expected = expected or {}
        self.within = 0.0  # seconds of what ran inside the stage that is being counted

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs in the block as this stage's, but for the stages inside it."""
        self.name, self.started = name, time.perf_counter()
        with self._counted(name):
            yield

    def each(self, name: str, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass frames on, and count the time it takes to make them as this stage's."""
        source = iter(frames)
        while True:
            with self._counted(name):
                frame = next(source, None)
            if frame is None:
                return
            yield frame

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        started, outer = time.perf_counter(), self.within
        self.within = 0.0
        yield
        spent = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + spent - self.within
        self.within = outer + spent

    def progress(self, step: int = 0, steps: int = 1) -> Progress:
        parts = FRAME_STAGES if self.name == "write" else (self.name,)
        known = [self.expected[part] for part in parts if part in self.expected]
        if not known:
            return Progress(self.name, step, steps, None)
        now = sum(known)
        if step:  # this run's own pace is better
            now = (time.perf_counter() - self.started) / step * steps
        later = (s for name, s in self.expected.items() if name not in (*self.seconds, *parts, "total"))
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
    with clock.stage("decode"):
        yield clock.progress()
        clip = decode(latents, models.vae)
    mark = identity.mark(facts(request, preset))
    made, seen = yield from publish(clip, request, mark, identity, output, inspector, clock)
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


def publish(
    clip: Clip, request: Request, mark: str, identity: Identity, output: Path, inspector: Inspector, clock: Clock
) -> Generator[Progress, None, tuple[mp4.Probe, dict[str, Any]]]:
    """Finish, write, sign and read back; only what reads back whole is moved to `output`.

    Frame by frame: no more than a few are ever in memory. Returns what it holds, and what the operator's rules saw.
    """
    delivery, looks = request.delivery, list[Frame]()
    moments = times(clip, request)
    embedder = Embedder(bytes.fromhex(mark), identity.carrier_key, delivery.height, delivery.width)
    with mp4.replaced_when_done(output) as signed, tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.mp4"
        with clock.stage("write"), mp4.encoded(draft, delivery.fps, delivery.codec, mp4.Extras(tags(mark))) as writer:
            yield clock.progress(0, len(moments))
            marked = map(embedder.mark, finished(clip, moments, request, clock, looks))
            for done, frame in enumerate(clock.each("watermark", marked), 1):
                writer.add(frame)
                yield clock.progress(done, len(moments))
            seen = inspector.check_clip(looks)
        with clock.stage("sign"):
            yield clock.progress()
            add_xmp(draft)
            sign(draft, signed, identity, mark)
        with clock.stage("read back"):
            yield clock.progress()
            made = _read_back(signed, request, len(moments), Finding(INTACT, "intact", "ours", mark, ()), identity)
    return made, seen


def times(clip: Clip, request: Request) -> list[Fraction]:
    """The moment of the clip, in seconds, that each frame of the file shows."""
    delivery = request.delivery
    step = 1 / delivery.fps
    if delivery.timing == "even":
        step = 1 / (clip.fps * max(1, round(delivery.fps / clip.fps)))
    return [k * step for k in range(frame_count(request.duration_s, delivery.fps))]


def finished(
    clip: Clip, moments: Sequence[Fraction], request: Request, clock: Clock, looks: list[Frame]
) -> Iterator[Frame]:
    """The frames of the file, labelled but not watermarked, as they are asked for.

    looks: gets those that the operator's rules are asked about. Raises UnsafeClipError at the end of an unsafe clip.
    """
    delivery, label = request.delivery, request.label
    frames = clock.each("frame rate", frames_at(clip, moments))
    frames = clock.each("resize", (fit(frame, delivery.width, delivery.height) for frame in frames))
    frames = clock.each("check", sampled(check_frames(frames, delivery.fps), len(moments), looks))
    if label.place == "off":
        return frames
    return clock.each("label", (add_label(frame, label.language, label.place) for frame in frames))


def _read_back(path: Path, request: Request, frames: int, wanted: Finding, identity: Identity) -> mp4.Probe:
    """What the file holds. Raises RuntimeError when it is not what was to be written."""
    label, delivery = request.label, request.delivery
    unlabelled: list[bool] = []

    def look(planes: mp4.Planes) -> None:
        if label.place != "off" and not has_label(planes.luma, label.language, label.place):
            unlabelled.append(True)

    made, finding = mp4.probe(path, look), check(path, identity)
    asked = ((delivery.width, delivery.height), delivery.fps, frames)
    if unlabelled or (made.size, made.fps, made.frames) != asked or finding != wanted:
        raise RuntimeError(f"the file does not read back as it was made: {made}, {finding}, unlabelled: {unlabelled}")
    return made


def facts(request: Request, preset: Preset) -> dict[str, Any]:
    """What a clip follows from, and so what its name is made of."""
    made = json.loads(json.dumps(asdict(request), default=str))
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
