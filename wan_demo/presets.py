"""The families and tiers: one row each. Nothing else in the code asks which family it is.

A row's `measured` is what `python -m distill evaluate` gave for it (see distill/LOG.md), or None until it was run.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from wan_demo import flow, wan22
from wan_demo.request import Delivery, Request, RequestError
from wan_demo.schedule import Schedule, guided
from wan_demo.shapes import ClipShape

TRICKS = ("fp8", "sage", "compile", "cache", "together")  # what may make a tier faster, see tricks.py and diffuse.py
WEIGHTS = Path(__file__).parent / "weights"
REPAIR = "restore it with `git checkout -- wan_demo/weights`, or clone the repository again"  # a file of these


@dataclass(frozen=True)
class Measured:
    """Share of held-out clips with all four attributes right, out of `clips`; the same of clips of two things."""

    all_right: float
    clips: int
    pairs_right: float
    pairs: int


@dataclass(frozen=True)
class Preset:
    """A tier of a family. guidance 1 means no guidance (one forward a step, not two).

    weights, experts: folders; relative ones are not here yet, see `at`. low_guidance: of the low-noise expert, where it
    has its own. others: (layout, finish) of the other sizes that the model draws. shortens: it draws shorter clips too.
    stretches_s: seconds up to which its clips may be lengthened (see `pipeline.draw`), 0 for not at all.
    direct_is_large: direct mode draws at the finish's size, not at the layout's.
    precision: what it computes in, "fp32" or "bf16"; eight_bit: what its experts' layers are made when they are loaded,
    a kind of quantize.KINDS. source: where the weights are fetched from, REPOSITORY@REVISION of the Hugging Face hub.
    tricks: of TRICKS.
    """

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
    low_guidance: float | None = None
    others: tuple[tuple[ClipShape, ClipShape], ...] = ()
    shortens: bool = False
    stretches_s: int = 0
    direct_is_large: bool = False
    precision: str = "fp32"
    eight_bit: str = ""
    source: str = ""
    tricks: tuple[str, ...] = ()

    @property
    def layers(self) -> str:
        """The kind of 8-bit layers that the experts have, "" for none; fp8 changes none that are 8-bit already."""
        return self.eight_bit or ("fp8" if "fp8" in self.tricks else "")

    @property
    def repair(self) -> str:
        """What to do where a file of its weights is missing or damaged."""
        return REPAIR if self.weights.is_relative_to(WEIGHTS) else "restore it, or choose another --weights"

    @property
    def drawings(self) -> tuple[tuple[ClipShape, ClipShape], ...]:
        """(layout, finish) of every size that the model draws, the usual one first."""
        return (self.layout, self.finish), *self.others

    @property
    def guidances(self) -> tuple[float, float]:
        """The high-noise expert's, the low-noise expert's."""
        return self.guidance, self.guidance if self.low_guidance is None else self.low_guidance

    @property
    def guided_steps(self) -> int:
        """How many of a clip's steps take two forwards."""
        levels = (self.schedule.high, self.schedule.low)
        return sum(len(some) - 1 for some, guidance in zip(levels, self.guidances, strict=True) if guidance != 1)

    @property
    def direct(self) -> ClipShape:
        """What direct mode draws."""
        return self.finish if self.direct_is_large else self.layout

    def last(self, mode: str) -> ClipShape:
        """What the model draws last, in a mode."""
        return self.direct if mode == "direct" else self.finish

    def at(self, weights: Path, experts: Path | None = None) -> "Preset":
        """The same preset with its parts in this folder, and its experts in `experts` if they are elsewhere."""
        return replace(self, weights=weights, experts=experts or weights / self.experts.relative_to(self.weights))

    @property
    def has_experts(self) -> bool:
        """Whether there is a folder of its experts; there is none for a tier that was not trained."""
        return (self.experts / "transformer").is_dir()

    def drawn(self, delivery: Delivery, duration_s: float) -> "Preset":
        """The same preset with the layout and finish that this clip needs: of its shape, as large, if there are such,
        and as short, if the model draws shorter ones.
        """
        options = self.drawings
        unlike = [
            abs(math.log(finish.width * delivery.height / finish.height / delivery.width)) for _, finish in options
        ]
        alike = [o for o, difference in zip(options, unlike, strict=True) if difference < min(unlike) + 0.1]
        alike.sort(key=lambda option: option[1].side)
        side = min(delivery.width, delivery.height)
        nearest = next((option for option in alike if option[1].side >= side), alike[-1])
        layout, finish = (shape.cut(duration_s) if self.shortens else shape for shape in nearest)
        return replace(self, layout=layout, finish=finish)

    @property
    def usual_s(self) -> int:
        """Whole seconds that the model draws at once."""
        return math.floor(self.finish.duration_s)

    @property
    def longest_s(self) -> int:
        """Whole seconds that a clip may last."""
        return max(self.usual_s, self.stretches_s)

    def longer(self, mode: str, duration_s: float) -> ClipShape | None:
        """The clip's shape where it lasts longer than the model draws at once, and so is lengthened; else None."""
        last = self.last(mode)
        longer = last.lasting(duration_s)
        return longer if longer.frames > last.frames else None

    def at_once(self, expert: int) -> int:
        """How many prompts an expert (0: the high-noise one, 1: the low-noise one) is asked in one forward."""
        return 2 if "together" in self.tricks and self.guidances[expert] != 1 else 1

    def workload(self, mode: str, duration_s: float) -> str:
        """What clips are timed by: the mode, and of a clip that is lengthened the seconds too."""
        return mode if self.longer(mode, duration_s) is None else f"{mode}, {math.ceil(duration_s)} s"

    def check(self, request: Request) -> None:
        """Refuse what this preset cannot make.

        Raises:
            RequestError: the clip is longer than the model draws, or something is to be steered away from without
                guidance.
        """
        if request.negative and self.guidance == 1:
            raise RequestError(
                f"The {self.tier} tier is not guided, so it can steer away from nothing: leave the negative prompt"
                " empty, or choose the full tier."
            )
        if request.duration_s > self.longest_s and request.sound.fit != "clip":
            raise RequestError(
                f"{self.family} makes clips of {self.longest_s} s at most, not {request.duration_s:g} s: ask for less."
            )


_POCKET = WEIGHTS / "pocket"
_LAYOUT = ClipShape(112, 64, 17, Fraction(8))
_FINISH = ClipShape(224, 128, 33, Fraction(16))
_OTHERS = (  # upright and square
    (replace(_LAYOUT, width=64, height=112), replace(_FINISH, width=128, height=224)),
    (replace(_LAYOUT, width=80, height=80), replace(_FINISH, width=160, height=160)),
)
# pocket's latents have a standard deviation of 2: boundary 1/2 and shift 6 are there what 1/3 and 3 are at 1 (LOG.md).
_BOUNDARY = 0.5
# 2, the ratio of the sides, would start at sigma 2/3, 0.5 starts at 1/3: at 0.8 the layout's shapes were lost, and from
# 1/6 its faults are not mended (LOG.md).
_RESTART = 0.5
_STRETCHES_S = 10
_KNOWS = (
    "It knows one thing, or in wide clips two, the first named on the left:"
    " a ball, box, triangle, star, heart, moon, flower, fish, bird, boat, leaf or ring;"
    " red, orange, yellow, green, blue, purple, pink or white;"
    " in the night sky, over the sea, over green grass, in the desert or in the snow;"
    " that moves left, moves right, rises, falls, bounces, spins, grows or shrinks;"
    " in English, Chinese, Japanese, Spanish, French or Arabic."
)

_POCKET_TIERS = (
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
        low_guidance=1.0,  # what there is to see is settled by then, and guidance makes blotches of it (LOG.md)
        knows=_KNOWS,
        others=_OTHERS,
        measured=Measured(0.936, 500, 0.798, 500),
        stretches_s=_STRETCHES_S,
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
        others=_OTHERS,
        measured=Measured(0.892, 500, 0.727, 300),
        stretches_s=_STRETCHES_S,
    ),
)
_WAN22_WEIGHTS = Path("wan22")
_WAN22_BOUNDARY = 0.875


def _wan(width: int, height: int) -> ClipShape:
    return ClipShape(width, height, 81, Fraction(16))


_WAN22_SIZES = (  # layout and finish have one shape, and about 2.8 times as many tokens in the second
    (_wan(496, 288), _wan(832, 480)),
    (_wan(432, 768), _wan(720, 1280)),
    (_wan(288, 496), _wan(480, 832)),
    (_wan(576, 576), _wan(960, 960)),
    (_wan(384, 384), _wan(640, 640)),
)
# Equal signal-to-noise at low frequencies, the ratio of the sides.
_WAN22_RESTART = 5 / 3
# Guidance, steps and shift as Wan2.2 publishes them; what they give was not measured here.
_WAN22_FULL = Preset(
    "wan22",
    "full",
    _WAN22_WEIGHTS,
    _WAN22_WEIGHTS,
    _wan(768, 432),
    _wan(1280, 720),
    _WAN22_BOUNDARY,
    guided(40, 12.0, _WAN22_BOUNDARY, _WAN22_RESTART),
    guidance=4.0,
    low_guidance=3.0,
    others=_WAN22_SIZES,
    shortens=True,
    direct_is_large=True,
    precision="bf16",
    source=wan22.SOURCE,
)
# The levels that published 4-step students of Wan2.2 are trained at: shift 5.
_FOUR = tuple(flow.shift(s, 5.0) for s in (1.0, 0.75, 0.5, 0.25))
_WAN22_DISTILLED = replace(
    _WAN22_FULL,
    tier="distilled",
    experts=_WAN22_WEIGHTS / "distilled",
    schedule=Schedule(_FOUR[:3], (*(flow.shift(s, _WAN22_RESTART) for s in _FOUR[2:]), 0.0), (*_FOUR, 0.0), 5.0),
    guidance=1.0,
    low_guidance=None,
    eight_bit="int8",
)
PRESETS = (*_POCKET_TIERS, _WAN22_FULL, _WAN22_DISTILLED)
FAMILIES = tuple(dict.fromkeys(p.family for p in PRESETS))


def tiers(family: str, weights: Path | None = None) -> tuple[Preset, ...]:
    """The rows of a family, with their parts in the folder `weights` where one is given.

    Raises:
        RequestError: there is none.
    """
    found = tuple(preset for preset in PRESETS if preset.family == family)
    if not found:
        raise RequestError(f"There is no family called {family!r}: choose {' or '.join(FAMILIES)}.")
    return found if weights is None else tuple(preset.at(weights) for preset in found)


def usable(rows: tuple[Preset, ...]) -> tuple[Preset, ...]:
    """Of a family's rows those whose experts are here or can be fetched; all where none are, so that it is told."""
    return tuple(row for row in rows if row.source or row.has_experts) or rows


def find(family: str, tier: str) -> Preset:
    """The row of a family and tier.

    Raises:
        RequestError: there is none.
    """
    for preset in tiers(family):
        if preset.tier == tier:
            return preset
    raise RequestError(f"{family} has no {tier} tier: choose {' or '.join(p.tier for p in tiers(family))}.")
