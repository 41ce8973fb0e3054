"""What the page works with, and what it knows of the tiers on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wan_demo.plans import Fit
from wan_demo.policy import Policy
from wan_demo.presets import Preset
from wan_demo.quota import Price
from wan_demo.request import Delivery, Request, RequestError, parse_size
from wan_demo.setup import Setup
from wan_demo.store import Timings
from wan_demo.ui import draw
from wan_demo.ui.job import Maker
from wan_demo.worker import timed_as


class Workshop(Maker, Protocol):
    """A Maker that knows what it can make, from `start` until `close`."""

    @property
    def fits(self) -> Sequence[Fit]: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class Lender(Protocol):
    """Who lends a GPU by the second."""

    def price(self, preset: Preset, mode: str) -> Price: ...


@dataclass(frozen=True)
class Desk:
    """Who makes the clips, with which of the family's tiers; the operator's rules; who lends the GPU, if it is lent."""

    worker: Workshop
    setup: Setup
    presets: Sequence[Preset]
    policy: Policy = field(default_factory=Policy)
    lender: Lender | None = None

    def preset(self, tier: str) -> Preset:
        return next(preset for preset in self.presets if preset.tier == tier)

    def tier_choices(self, kind: str) -> list[tuple[str, str]]:
        """(what it is and costs, tier) of each tier that this kind of visitor can pay for; of all, if there is none."""
        offered = [preset for preset in self.presets if self._within(preset, kind)]
        return [
            (draw.tier_choice(preset, self._seconds(preset), self.fit(preset.tier, "1280x720")), preset.tier)
            for preset in offered or self.presets
        ]

    def fit(self, tier: str, size: str) -> Fit | None:
        """Whether a tier runs here at this size; None until the worker knows."""
        shape = self._drawn(tier, size).finish
        wanted = (tier, shape.width, shape.height)
        return next((fit for fit in self.worker.fits if (fit.tier, fit.width, fit.height) == wanted), None)

    def price(self, tier: str, size: str, duration_s: float | None = None, mode: str = "chain") -> Price | None:
        """What a clip asks for of the visitor's quota, the usual one without a duration; None where no GPU is lent."""
        if self.lender is None:
            return None
        drawn = self._drawn(tier, size, duration_s)
        return self.lender.price(drawn, drawn.workload(mode, duration_s or drawn.usual_s))

    def admit(self, request: Request, size: str, kind: str) -> None:
        """Refuse what does not run here, or what a day's quota of this kind of visitor does not pay for.

        Raises:
            RequestError: either.
        """
        fit = self.fit(request.tier, size)
        if fit is not None and not fit.fits:
            raise RequestError(f"This does not fit here ({fit.why}): choose another tier or a smaller size.")
        if self.lender is not None:
            from wan_demo.sound.reading import as_long_as_its_sound  # heavy

            request, _ = as_long_as_its_sound(request, self.preset(request.tier))
        price = self.price(request.tier, size, request.duration_s, request.mode)
        if price is not None and not price.within(kind):
            raise RequestError(draw.beyond(price, kind))

    def possible(self, tier: str, size: str, duration_s: float | None, mode: str, kind: str) -> bool:
        """Whether this kind of visitor may ask for it, as far as is known."""
        fit, price = self.fit(tier, size), self.price(tier, size, duration_s, mode)
        return (fit is None or fit.fits) and (price is None or price.within(kind))

    def _drawn(self, tier: str, size: str, duration_s: float | None = None) -> Preset:
        preset = self.preset(tier)
        return preset.drawn(Delivery(*parse_size(size)), duration_s or preset.usual_s)

    def _within(self, preset: Preset, kind: str) -> bool:
        price = self.price(preset.tier, "1280x720")
        return price is None or price.within(kind)

    def _seconds(self, preset: Preset) -> float | None:
        """Of the usual clip."""
        return Timings().expected(timed_as(preset, Delivery(), self.setup.device, "chain")).get("total")
