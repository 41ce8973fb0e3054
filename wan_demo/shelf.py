"""The tiers that are loaded in this process, each by the memory plan that fits."""

from collections.abc import Sequence

from wan_demo import fit, models, tricks
from wan_demo.integrity import WeightsError
from wan_demo.models import Models
from wan_demo.plans import GIB, Fit, named
from wan_demo.presets import Preset

SMALL = GIB  # bytes of weights; larger tiers are not kept loaded side by side


class Shelf:
    """plan: a memory plan's name, or "" for the first by which the largest size of a tier fits."""

    def __init__(self, presets: Sequence[Preset], device: str, plan: str = "") -> None:
        self.presets, self.device, self.plan = {preset.tier: preset for preset in presets}, device, plan
        self.loaded: dict[str, Models] = {}

    def take(self, tier: str) -> tuple[Preset, Models]:
        """A tier, loaded now if it was not.

        Raises:
            WeightsError: a file of it is missing or damaged, or there is no student for the distilled tier.
        """
        if tier not in self.presets:
            raise WeightsError(
                f"There is no student for the {tier} tier here: name one with --student FOLDER or --lora HIGH LOW."
            )
        preset = self.presets[tier]
        if tier not in self.loaded:
            if not _small(preset):
                self.loaded.clear()
            self.loaded[tier] = models.load(preset, self.device, fit.choose(preset, self.device, self.plan))
            tricks.speed_up(self.loaded[tier], preset.tricks)
        return preset, self.loaded[tier]

    def preload(self) -> None:
        """Load what can be held at once: all tiers if they are small, else the one that the page offers first.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        for preset in held_together(tuple(self.presets.values())):
            self.take(preset.tier)

    def fits(self) -> tuple[Fit, ...]:
        """Whether each tier fits at each of its sizes."""
        device, plan = fit.look(self.device), named(self.plan) if self.plan else None
        return tuple(fit.fit(one, device, True, plan) for tier in self.presets.values() for one in fit.sizes(tier))


def held_together(presets: Sequence[Preset]) -> Sequence[Preset]:
    """The tiers that are loaded side by side: all if they are small, else the one that the page offers first."""
    return presets if all(map(_small, presets)) else presets[-1:]


def _small(preset: Preset) -> bool:
    return sum(path.stat().st_size for path in preset.experts.rglob("*.safetensors")) < SMALL
