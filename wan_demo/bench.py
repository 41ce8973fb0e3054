"""How long each stage takes here and how much memory it wants, from prompt to signed file, cold and warm."""

import statistics
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.edit import Edit, times
from wan_demo.events import Event, Progress
from wan_demo.finish.frame_rate import Means
from wan_demo.models import Models
from wan_demo.pipeline import decoded, draw, result_of, with_less_memory
from wan_demo.plans import GIB
from wan_demo.policy import Policy
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.publish import publish
from wan_demo.request import Request
from wan_demo.safety.inspector import Inspector


@dataclass
class Meter:
    """The most memory in GiB while each stage ran: on a GPU what torch had of it, on a CPU what the process had at the
    stage's progress events.
    """

    device: torch.device
    gib: dict[str, float] = field(default_factory=dict)
    stage: str = ""

    def see(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.note()
            self.stage = event.stage

    def note(self) -> None:
        """Take down what the stage that was under way has had until now."""
        if self.device.type == "cuda":
            used = torch.cuda.max_memory_allocated()
            torch.cuda.reset_peak_memory_stats()
        else:
            used = psutil.Process().memory_info().rss
        if self.stage:
            self.gib[self.stage] = max(self.gib.get(self.stage, 0.0), used / GIB)


@dataclass(frozen=True)
class Run:
    """seconds: by stage, and in all; gib: memory by stage."""

    seconds: dict[str, float]
    gib: dict[str, float]


def run(request: Request, preset: Preset, models: Models, identity: Identity, painted: bool) -> Run:
    """One clip. painted: the models' picture is put aside and a moving pattern is finished in its place, since what
    random weights draw is refused (it stands still, or flashes).
    """
    preset = preset.drawn(request.delivery, request.duration_s)
    clock, meter = Clock(), Meter(models.device)
    models.shared.reader.forget()  # a prompt that is remembered would not be read
    started = time.perf_counter()

    def chain(folder: Path) -> Generator[Event, None, None]:
        latents = yield from with_less_memory(models, lambda: draw(request, preset, models, clock))
        clip = yield from with_less_memory(models, lambda: decoded(latents, models, clock))
        clip = pattern(clip.frames.shape, clip.fps) if painted else clip
        edit, inspector = Edit(clip, times(clip, request)), Inspector(Policy())
        mark, means = identity.mark({"bench": preset.tier}), Means.on(models.device, models.refiner)
        yield from publish(edit, request, mark, identity, folder / "clip.mp4", inspector, clock, means)

    with tempfile.TemporaryDirectory() as folder:
        for event in chain(Path(folder)):
            meter.see(event)
    meter.note()
    return Run({**clock.seconds, "total": time.perf_counter() - started}, meter.gib)


def pattern(shape: tuple[int, ...], fps: Fraction) -> Clip:
    """Smooth stripes that move a few pixels a frame: frames (F, H, W, 3)."""
    frames, height, width, _ = shape
    y, x = np.mgrid[:height, :width]

    def frame(i: int) -> npt.NDArray[np.uint8]:
        wave = np.sin((x + 3 * i) / 40) + np.sin((y + 2 * i) / 25)
        return np.stack([128 + 40 * wave, 128 - 30 * wave, 118 + 20 * wave], -1).astype(np.uint8)

    return Clip(np.stack([frame(i) for i in range(frames)]), fps)


def summary(runs: list[Run]) -> dict[str, dict[str, float]]:
    """Per stage: the first run's seconds, the median of the later ones', and the most memory."""
    first, later = runs[0], runs[1:]
    return {
        stage: {
            "cold_s": round(first.seconds[stage], 3),
            **({"warm_s": round(statistics.median(r.seconds[stage] for r in later), 3)} if later else {}),
            **({"peak_gib": round(max(r.gib[stage] for r in runs), 3)} if stage in first.gib else {}),
        }
        for stage in first.seconds
    }


def chain_s(request: Request, preset: Preset, models: Models, runs: int) -> float:
    """Seconds from prompt to decoded frames: median of `runs`, after one that warms up."""
    preset = preset.drawn(request.delivery, request.duration_s)

    def draw_one() -> None:
        models.shared.reader.forget()
        latents = result_of(draw(request, preset, models, Clock()))
        with models.present("vae") as vae:
            decode(latents, vae)

    return _median(draw_one, runs)


def wan_pipeline_s(request: Request, preset: Preset, models: Models, device: str, resident: bool, runs: int) -> float:
    """The same by diffusers' WanPipeline with the same weights, steps and size, left as diffusers has it.

    models: on the CPU, untouched by `speed_up`. resident: all of them stay on the device; if not, WanPipeline uses its
    own `enable_model_cpu_offload`.
    """
    preset = preset.drawn(request.delivery, request.duration_s)
    shape, (high, low) = preset.finish, preset.guidances
    pipe = _wan_pipeline(preset, models)
    if device == "cuda":
        pipe.to(device) if resident else pipe.enable_model_cpu_offload()
    return _median(
        lambda: pipe(
            prompt=request.prompt,
            negative_prompt=request.negative,
            height=shape.height,
            width=shape.width,
            num_frames=shape.frames,
            num_inference_steps=preset.schedule.steps,
            guidance_scale=high,
            guidance_scale_2=low,
            max_sequence_length=models.tokenizer.model_max_length,
            generator=torch.Generator().manual_seed(request.seed),
        ),
        runs,
    )


def _wan_pipeline(preset: Preset, models: Models) -> WanPipeline:
    pipe = WanPipeline(
        tokenizer=models.tokenizer,
        text_encoder=models.text_encoder,
        transformer=models.high,
        transformer_2=models.low,
        vae=models.vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=preset.schedule.shift),
        boundary_ratio=preset.boundary,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _median(call: Any, runs: int) -> float:
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])
