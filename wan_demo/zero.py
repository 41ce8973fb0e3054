"""On a ZeroGPU Space: the models lie in the page's process, and for each clip `spaces` forks one that is lent a GPU.

Beside `worker`, with the same events in and out. Only the models' part of a clip runs on the lent GPU, since a visitor
pays for its seconds; the rest of the chain runs here. Import this before anything uses CUDA: `spaces` then lets this
process act as if it had a GPU, and carries what is on it over to each fork.
"""

import math
import os
import time
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import spaces
import torch
from spaces.zero import client, config
from torch import Tensor

from wan_demo import ahead, fit, models, tricks
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.events import Event
from wan_demo.finish.refine import load_refiner
from wan_demo.models import Models, WeightsError
from wan_demo.pipeline import Drawing, peak_gib, pictures
from wan_demo.plans import Fit, Plan, named
from wan_demo.policy import FILE, load_policy
from wan_demo.presets import Preset
from wan_demo.quota import Price
from wan_demo.request import Request, RequestError
from wan_demo.safety.inspector import Inspector
from wan_demo.shelf import held_together
from wan_demo.store import Loans, home
from wan_demo.worker import JobError, failure, make_clip

MARGIN = 1.3  # what is asked for over what is expected: a clip that takes longer is cut off
DEFAULT_S = client.DEFAULT_SCHEDULE_DURATION  # what is asked for before the first clip tells
COMPILE_S = 1500  # the most that is lent to a Space that starts (huggingface.co/blog/zerogpu-aoti)


@dataclass(frozen=True)
class Drawn:
    """What the fork hands over at the end. stages: seconds of each. seconds: of the GPU, from the fork's first line on;
    before_s: until then, 0 in a fork that had drawn before. report: what only the fork knows of the clip's report.
    attention: the kernel that was fastest.
    """

    clip: Clip
    stages: Mapping[str, float]
    seconds: float
    before_s: float
    report: Mapping[str, Any]
    attention: str


class Zero:
    """What a Worker is elsewhere. Make and start it in the main thread before the page is launched.

    presets: of these, it holds what may lie side by side; a large family's last tier alone, since every fork brings all
    that is held to its GPU. plan: a memory plan's name; "": its own choice.

    Raises:
        RequestError: the plan does not suit ZeroGPU.
        WeightsError: the models are too large for any GPU that is lent.
    """

    def __init__(self, presets: Sequence[Preset], device: str = "cuda", plan: str = "") -> None:
        self.presets, self.device = tuple(held_together(presets)), device
        self.size, self._plans, self.fits = _settle(self.presets, device, plan)
        self._lent = spaces.GPU(duration=self._duration, size=self.size)(self._draw)
        self._factor: float = client.get_duration_seconds(timedelta(seconds=1), self.size)
        self._models: dict[str, Models] = {}
        self._here: dict[str, Models] = {}  # the same, for what is done in this process
        self._inspector: Inspector | None = None
        self._attention = ""
        self._home, self._ready = os.getpid(), set[str]()  # ready: the tiers that this fork has prepared

    def start(self) -> None:
        """Load the models onto the device, and have compiled what is to be and was not before.

        Raises:
            WeightsError: a file is missing or damaged, or the blocks cannot be compiled.
        """
        for preset, plan in zip(self.presets, self._plans, strict=True):
            shared = next((held.shared for held in self._models.values()), None)
            held = models.load(preset, self.device, plan, shared, pinned=False)
            _ = held.text_encoder  # loaded now, so that every fork has it
            self._models[preset.tier] = held
            here = replace(held.shared, refiner=load_refiner(preset.weights / "refiner", "cpu"))
            self._here[preset.tier] = replace(held, device=torch.device("cpu"), shared=here)
            if not all(path.exists() for path in self._compiled(preset).values()):
                lent = spaces.GPU(duration=self._named(COMPILE_S), size=self.size)(self._compile)
                if error := lent(preset):
                    raise WeightsError(f"{error} To start without compiled blocks, leave compile out of --fast.")

    def close(self) -> None:
        """End the operator's checkers."""
        if self._inspector is not None:
            self._inspector.close()

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
        """Make one clip. Close the iterator to cancel: the fork stops after the step it is in.

        Raises:
            RequestError: the request is refused.
            JobError: it failed.
        """
        try:
            self._inspector = self._inspector or Inspector(load_policy(home() / FILE))
            preset = next(preset for preset in self.presets if preset.tier == request.tier)
            taken = (preset, self._here[request.tier])
            yield from make_clip(request, output, taken, self._inspector, self.device, self._borrow)
        except (RequestError, JobError):
            raise
        except Exception as error:
            raise failure(error) from error

    def price(self, preset: Preset, workload: str) -> Price:
        """What a clip asks for of the visitor's quota. preset: as drawn for it, see `Preset.drawn`; workload: of
        `Preset.workload`.
        """
        told = self._seconds(preset, workload)
        asked = round(self._factor * (DEFAULT_S if told is None else told))
        return Price(asked * (2 if self.size == "xlarge" else 1), told is not None)

    def _borrow(self, request: Request, preset: Preset, _: Models, clock: Clock) -> Drawing:
        """Let the fork draw, and pass on what it tells."""
        with closing(self._lent(request, preset, clock.expected, self._attention)) as told:
            try:
                for event in told:
                    if isinstance(event, Drawn):
                        clock.seconds |= event.stages
                        self._attention = event.attention
                        key = _key(preset, preset.workload(request.mode, request.duration_s))
                        Loans().record(key, _work(preset), event.seconds, event.before_s)
                        return event.clip, event.report
                    if isinstance(event, Exception):
                        raise event
                    yield event
            except (RequestError, JobError):
                raise
            except Exception as error:
                raise JobError(f"ZeroGPU: {error.args[0] if error.args else error}") from error
        raise JobError("ZeroGPU took its GPU back before the clip was drawn: press Generate again.")

    def _draw(
        self, request: Request, preset: Preset, expected: Mapping[str, float], attention: str
    ) -> Generator[Event | Drawn | RequestError | JobError, None, None]:
        """In the fork, on its GPU. Errors are handed over, since `spaces` would carry no more of one than its class."""
        held, clock, started = self._models[preset.tier], Clock(expected), time.perf_counter()
        before_s = 0.0
        if os.getpid() != self._home and not self._ready:  # a fork's first clip: its GPU was attached, weights moved
            before_s = time.time() - psutil.Process().create_time()
        try:
            if preset.tier not in self._ready:
                self._ready.add(preset.tier)
                compiled = self._compiled(preset)
                for name, path in compiled.items():
                    ahead.use(getattr(held, name), path)
                others = tuple(trick for trick in preset.tricks if trick != "compile")
                attention = tricks.speed_up(held, others, attention="native" if compiled else attention)
            clip, _ = yield from pictures(request, preset, held, clock)
        except Exception as error:  # noqa: BLE001 - the boundary of the process: every failure becomes a sentence
            yield failure(error)
            return
        report = {"peak_memory_gib": round(peak_gib(), 3), "plan": held.plan.name}
        yield Drawn(clip, clock.seconds, time.perf_counter() - started, before_s, report, attention)

    def _compiled(self, preset: Preset) -> dict[str, Path]:
        """For each expert, where its compiled block is to lie; {} where none is wanted."""
        held = self._models[preset.tier]
        names = models.EXPERTS if "compile" in preset.tricks else ()
        return {name: ahead.package(getattr(held, name), _rows(preset, name), held.device) for name in names}

    def _compile(self, preset: Preset) -> str:
        """In the fork, on its GPU: compile what was not. Returns what went wrong, "" if nothing did."""
        held = self._models[preset.tier]
        try:
            for name, path in self._compiled(preset).items():
                if not path.exists():
                    latents, embeds = _asked(preset, held, _rows(preset, name))
                    with held.present(name) as expert:
                        ahead.compile_block(expert, latents, embeds, path)
        except Exception as error:  # noqa: BLE001 - the boundary of the process
            traceback.print_exception(error)
            return f"The blocks could not be compiled ahead of time ({error})."
        return ""

    def _duration(self, request: Request, preset: Preset, *_: Any) -> int:
        """Seconds to name to `spaces`."""
        told = self._seconds(preset, preset.workload(request.mode, request.duration_s))
        return DEFAULT_S if told is None else told

    def _seconds(self, preset: Preset, workload: str) -> int | None:
        """What is named for a clip; None before there was one."""
        expected = Loans().expected(_key(preset, workload), _work(preset))
        return None if expected is None else self._named(MARGIN * expected)

    def _named(self, seconds: float) -> int:
        """What is named to `spaces` for so many, since it asks for `_factor` times as many."""
        return max(1, math.ceil(seconds / self._factor))


def _rows(preset: Preset, name: str) -> int:
    return preset.at_once(models.EXPERTS.index(name))


def _asked(preset: Preset, held: Models, rows: int) -> tuple[Tensor, Tensor]:
    """Latents (rows, C, T, H, W) of a layout, and embeddings (rows, L, D), as an expert is asked with."""
    size = rows, held.high.config.in_channels, *held.compression.latents(preset.layout)
    embeds = held.encode("", "").embeds[:1].to(held.device, held.high.dtype)
    return torch.zeros(size, device=held.device, dtype=held.high.dtype), embeds.expand(rows, -1, -1)


def _key(preset: Preset, workload: str) -> tuple[str, str, str]:
    return preset.family, preset.tier, workload


def _work(preset: Preset) -> float:
    """Floating-point operations of a clip, traced; of one in direct mode, those of the chain, in about its ratio."""
    return sum(fit.work(preset, fit.needs_of(preset)).values())


def _settle(presets: Sequence[Preset], device: str, name: str) -> tuple[str, list[Plan], tuple[Fit, ...]]:
    """The smallest GPU that is lent on which every tier fits, with each tier's plan and how it fits at each size."""
    if name and named(name).streamed:  # its hooks want a GPU at once
        raise RequestError(f"ZeroGPU cannot follow the memory plan {name!r}: choose another --plan, or none.")
    for size, card in _cards(device):
        plans = [named(name) if name else fit.first_that_fits(preset, card) for preset in presets]
        pairs = zip(presets, plans, strict=True)
        fits = tuple(fit.fit(one, card, plan=plan) for preset, plan in pairs for one in fit.sizes(preset))
        if all(one.fits for one in fits) and not any(plan.streamed for plan in plans):
            return size, plans, fits
    raise WeightsError(f"These models do not fit ZeroGPU ({fits[0].why}): choose a Space with a GPU of its own.")


def _cards(device: str) -> list[tuple[str, fit.Device]]:
    """The GPUs that are lent, by the names of `spaces`, the cheaper first; of two sizes "large" is half a card."""
    whole = fit.look(device)
    if config.get_config()["xlarge_threshold"] is None:
        return [("large", whole)]
    return [("large", replace(whole, memory=whole.memory / 2)), ("xlarge", whole)]
