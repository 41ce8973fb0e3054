"""The tiers that are loaded in this process, each by the memory plan that fits."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import suppress

import torch

from wan_demo import fit, models, tricks
from wan_demo.integrity import WeightsError
from wan_demo.models import Models, Shared
from wan_demo.plans import GIB, Fit, named
from wan_demo.presets import Preset
from wan_demo.request import RequestError

SMALL = GIB  # bytes of weights; larger tiers are not kept loaded side by side


class Shelf:
    """plan: a memory plan's name, or "" for the first by which the largest size of a tier fits."""

    def __init__(self, presets: Sequence[Preset], device: str, plan: str = "") -> None:
        self.presets, self.device, self.plan = {preset.tier: preset for preset in presets}, device, plan
        self.loaded: dict[str, Models] = {}

    def take(self, tier: str) -> tuple[Preset, Models]:
        """A tier, loaded now if it was not.

        Raises:
            WeightsError: a file of it is missing or damaged, or none of it is here.
        """
        if tier not in self.presets:
            if tier == "distilled" and any(preset.source for preset in self.presets.values()):
                raise WeightsError(
                    f"There is no student for the {tier} tier here: name one with --student FOLDER or --lora HIGH LOW."
                )
            raise WeightsError(f"The {tier} tier's weights are not here: choose the {' or '.join(self.presets)} tier.")
        preset = self.presets[tier]
        if tier in self.loaded:
            held = self.loaded[tier]
            held.follow(held.plan)  # another tier may have put the parts that they share elsewhere
            return preset, held
        shared = next((held.shared for held in self.loaded.values()), None)
        if not _small(preset):
            self.loaded.clear()
        self.loaded[tier] = self._load(preset, shared)
        tricks.speed_up(self.loaded[tier], preset.tricks)
        return preset, self.loaded[tier]

    def _load(self, preset: Preset, shared: Shared | None) -> Models:
        """By the plan that should fit; where the device's memory overflows all the same, by the next smaller one."""
        plan = fit.choose(preset, self.device, self.plan)
        while True:
            with suppress(torch.OutOfMemoryError):
                return models.load(preset, self.device, plan, shared)
            gc.collect()  # what was loaded is let go only now
            plan = models.step_down(plan)

    def chores(self) -> Iterator[tuple[Fit, ...]]:
        """What is worth doing while nobody waits, a piece at a time: load what can be held at once (all tiers if they
        are small, else the one that the page offers first), then see what fits. Yields () until the last piece, which
        tells whether each tier fits at each of its sizes.

        What cannot be loaded is told when a job needs it.
        """
        together = held_together(tuple(self.presets.values()))
        with suppress(WeightsError, RequestError):
            for preset in together:
                if len(together) > 1 or not self.loaded:
                    self.take(preset.tier)
                    yield ()
            if self.loaded:
                _ = next(iter(self.loaded.values())).text_encoder  # the others share it
                yield ()
        found: tuple[Fit, ...] = ()
        with suppress(WeightsError, RequestError, OSError, torch.OutOfMemoryError):
            plan = named(self.plan) if self.plan else None
            for preset in self.presets.values():
                for one in fit.sizes(preset):
                    found += (fit.fit(one, fit.look(self.device), True, plan),)
                    yield ()
            yield found


def held_together(presets: Sequence[Preset]) -> Sequence[Preset]:
    """The tiers that are loaded side by side: all if they are small, else the one that the page offers first."""
    return presets if all(map(_small, presets)) else presets[-1:]


def _small(preset: Preset) -> bool:
    return sum(path.stat().st_size for path in preset.experts.rglob("*.safetensors")) < SMALL
