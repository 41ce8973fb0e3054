"""Memory plans: which part of a model is on the device when. From the fastest to the one that needs least.

Nothing here knows a card: `fit` says how much a plan needs, and which of them a card can hold.
"""

from dataclasses import dataclass

from wan_demo.request import RequestError

GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """What stays on the device from start to end; the other parts come when they are needed, and leave.

    stays: names of parts of Models. streamed: an expert comes block by block, each fetched while the one before works.
    pieces: an expert's feed-forward nets take the tokens in so many pieces. tiles: the decoder works on tiles, whose
    seams are blended, so that pixels differ a little; every other plan gives the same frames.
    """

    name: str
    why: str
    stays: frozenset[str] = frozenset()
    streamed: bool = False
    pieces: int = 1
    tiles: bool = False


_SMALL = frozenset({"vae", "upsampler"})
PLANS = (
    Plan("resident", "all parts stay on the device", _SMALL | {"text_encoder", "high", "low"}),
    Plan("text aside", "both experts stay on the device, the text encoder comes and goes", _SMALL | {"high", "low"}),
    Plan("one expert", "one expert at a time is on the device", _SMALL),
    Plan("in pieces", "one expert at a time, and its largest layers in pieces", _SMALL, pieces=8),
    Plan("streamed", "an expert's blocks come one after another", _SMALL, streamed=True, pieces=8),
    Plan("tiles", "blocks one after another, and the picture in tiles", _SMALL, streamed=True, pieces=8, tiles=True),
)


def named(name: str) -> Plan:
    """The plan of this name.

    Raises:
        RequestError: there is none.
    """
    for plan in PLANS:
        if plan.name == name:
            return plan
    raise RequestError(f"There is no memory plan called {name!r}: choose {', '.join(plan.name for plan in PLANS)}.")


def smaller(plan: Plan) -> Plan | None:
    """The next plan down; None after the last."""
    after = PLANS[PLANS.index(plan) + 1 :]
    return after[0] if after else None


@dataclass(frozen=True)
class Fit:
    """Whether a tier runs at a size. plan: the first that fits, or the last where none does. peak_gib: on the device;
    room_gib: what of it may be used; host_gib: of the machine's own memory. model_s: of the models alone, None where no
    rate was measured. why: a sentence.
    """

    tier: str
    width: int
    height: int
    frames: int
    plan: str
    fits: bool
    peak_gib: float
    room_gib: float
    host_gib: float
    model_s: float | None
    why: str
