"""The families and tiers: one row each. Nothing else in the code asks which family it is.

A row's `measured` is what `python -m distill evaluate` gave for it (see distill/LOG.md), or None until it was run.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wan_demo import flow
from wan_demo.request import Request, RequestError
from wan_demo.shapes import ClipShape

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Schedule:
    """Noise levels, each list from the first sigma to the last that its steps lead to.

    high: the high-noise expert's, 1 down to the boundary. low: the low-noise expert's, from the level that the
    upsampled clip is noised to, down to 0. direct: both experts' in turn, 1 down to 0, without upsampling.
    """

    high: tuple[float, ...]
    low: tuple[float, ...]
    direct: tuple[float, ...]
    shift: float = 1.0  # of an undistilled model's levels, as diffusers' scheduler wants it

    @property
    def steps(self) -> int:
        return len(self.high) + len(self.low) - 2


@dataclass(frozen=True)
class Measured:
    """Share of held-out clips with all four attributes right, out of `clips`."""

    all_right: float
    clips: int


@dataclass(frozen=True)
class Preset:
    """A tier of a family. guidance 1 means no guidance (one forward a step, not two)."""

    family: str
    tier: str
    weights: Path
    experts: Path
    layout: ClipShape
    finish: ClipShape
    boundary: float
    schedule: Schedule
    guidance: float
    knows: str = ""  # for a person whose prompt has words the model does not know
    measured: Measured | None = None

    @property
    def longest_s(self) -> int:
        """Whole seconds that a clip may last."""
        return math.floor(self.finish.duration_s)

    def check(self, request: Request) -> None:
        """Refuse what this preset cannot make.

        Raises:
            RequestError: the clip is longer than the model draws.
        """
        if request.duration_s > self.longest_s and request.sound.fit != "clip":
            raise RequestError(
                f"{self.family} makes clips of {self.longest_s} s at most, not {request.duration_s:g} s: ask for less."
            )


def guided(steps: int, shift: float, boundary: float, restart: float) -> Schedule:
    """The schedule of an undistilled model: diffusers' Euler levels, cut at the boundary.

    restart: a factor for `flow.shift` of the low-noise expert's levels. As noisy as the layout was at the boundary is
    the ratio of their sides; less keeps more of the layout's shapes, and leaves less to paint anew.
    """
    direct = flow.schedule(steps, shift)
    low = [boundary] + [s for s in direct if s < boundary]
    return Schedule(
        (*[s for s in direct if s > boundary], boundary),
        tuple(flow.shift(s, restart) for s in low),
        tuple(direct),
        shift,
    )


_POCKET = WEIGHTS / "pocket"
_LAYOUT = ClipShape(112, 64, 17, Fraction(8))
_FINISH = ClipShape(224, 128, 33, Fraction(16))
# pocket's latents have a standard deviation of 2: boundary 1/2 and shift 6 are there what 1/3 and 3 are at 1 (LOG.md).
_BOUNDARY = 0.5
# 2, the ratio of the sides, would start at sigma 2/3, 0.5 starts at 1/3: at 0.8 the layout's shapes were lost (LOG.md).
_RESTART = 0.5
_KNOWS = (
    "It knows a ball, box, triangle, star, heart or moon; red, orange, yellow, green, blue, purple, pink or white;"
    " in the night sky, over the sea, over green grass, in the desert or in the snow;"
    " that moves left, moves right, rises, falls, bounces, spins, grows or shrinks;"
    " in English, Chinese, Japanese, Spanish, French or Arabic."
)

PRESETS = (
    Preset(
        "pocket",
        "full",
        _POCKET,
        _POCKET,
        _LAYOUT,
        _FINISH,
        _BOUNDARY,
        guided(40, 6.0, _BOUNDARY, _RESTART),
        guidance=2.5,
        knows=_KNOWS,
        measured=Measured(0.745, 200),
    ),
    Preset(
        "pocket",
        "distilled",
        _POCKET,
        _POCKET / "distilled",
        _LAYOUT,
        _FINISH,
        _BOUNDARY,
        Schedule((1.0, 0.94, 0.8, _BOUNDARY), (1 / 3, 0.0), (1.0, 0.94, 0.8, _BOUNDARY, 0.0)),
        guidance=1.0,
        knows=_KNOWS,
        measured=Measured(0.68, 200),
    ),
)
FAMILIES = tuple(dict.fromkeys(p.family for p in PRESETS))


def find(family: str, tier: str) -> Preset:
    """The row of a family and tier.

    Raises:
        RequestError: there is none.
    """
    for preset in PRESETS:
        if (preset.family, preset.tier) == (family, tier):
            return preset
    raise RequestError(f"There is no family called {family!r} with a {tier} tier: choose {' or '.join(FAMILIES)}.")
