"""What the page works with, and what it knows of the tiers on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wan_demo.plans import Fit
from wan_demo.policy import Policy
from wan_demo.presets import Preset
from wan_demo.request import Delivery, parse_size
from wan_demo.setup import Setup
from wan_demo.store import Timings
from wan_demo.ui import draw
from wan_demo.ui.job import Maker


class Workshop(Maker, Protocol):
    """A Maker that knows what it can make."""

    @property
    def fits(self) -> Sequence[Fit]: ...


@dataclass(frozen=True)
class Desk:
    """Who makes the clips, with which of the family's tiers; and the operator's rules."""

    worker: Workshop
    setup: Setup
    presets: Sequence[Preset]
    policy: Policy = field(default_factory=Policy)

    def preset(self, tier: str) -> Preset:
        return next(preset for preset in self.presets if preset.tier == tier)

    def tier_choices(self) -> list[tuple[str, str]]:
        """(what it is and costs, tier) of each tier."""
        return [
            (draw.tier_choice(preset, self._seconds(preset), self.fit(preset.tier, "1280x720")), preset.tier)
            for preset in self.presets
        ]

    def fit(self, tier: str, size: str) -> Fit | None:
        """Whether a tier runs here at this size; None until the worker knows."""
        preset = self.preset(tier)
        shape = preset.drawn(Delivery(*parse_size(size)), preset.longest_s).finish
        wanted = (tier, shape.width, shape.height)
        return next((fit for fit in self.worker.fits if (fit.tier, fit.width, fit.height) == wanted), None)

    def _seconds(self, preset: Preset) -> float | None:
        return Timings().expected((preset.family, preset.tier, "chain", self.setup.device)).get("total")
