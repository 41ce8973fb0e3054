"""What a run has besides the request: which models, from where, on what."""

import argparse
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wan_demo.plans import PLANS, named
from wan_demo.presets import FAMILIES, TRICKS, tiers
from wan_demo.request import RequestError


@dataclass(frozen=True)
class Setup:
    """weights: a folder of a family's parts; None: the shipped ones, or those of the hub's cache. student: for the
    distilled tier, a folder that `distill` exported; or loras, of the high-noise and of the low-noise expert, which are
    fused into them. plan: a memory plan's name, "" lets the memory decide. tricks: of presets.TRICKS. offline: nothing
    is downloaded.

    Raises:
        RequestError: there is no such plan or trick, or it needs a package that is not here; or two students are named.
    """

    family: str = "pocket"
    device: str = "cpu"
    weights: Path | None = None
    student: Path | None = None
    loras: tuple[Path, Path] | None = None
    plan: str = ""
    tricks: tuple[str, ...] = ()
    offline: bool = False

    def __post_init__(self) -> None:
        if self.plan:
            named(self.plan)
        if self.student and self.loras:
            raise RequestError("Both --student and --lora name a student: leave one out.")
        unknown = [trick for trick in self.tricks if trick not in TRICKS]
        if unknown:
            raise RequestError(f"There is no trick called {unknown[0]!r}: choose {', '.join(TRICKS)}.")
        if "sage" in self.tricks and "sage" not in usable_tricks():
            raise RequestError("The trick sage needs the package sageattention: install it, or leave sage out.")

    def flags(self) -> list[str]:
        """The flags that `read` makes this setup of."""
        pairs = {"weights": self.weights, "student": self.student, "plan": self.plan}
        given = [f"--{name}={value}" for name, value in pairs.items() if value]
        loras = ["--lora", *map(str, self.loras)] if self.loras else []
        tricks = ["--fast=" + ",".join(self.tricks)] if self.tricks else []
        offline = ["--offline"] if self.offline else []
        return [f"--family={self.family}", f"--device={self.device}", *given, *loras, *tricks, *offline]


def require_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        RequestError: torch finds none of this type.
    """
    if device != "cpu":
        import torch  # heavy

        if not torch.cuda.is_available():
            raise RequestError("torch finds no CUDA device here: leave out --device cuda, or install torch with CUDA.")


def usable_tricks() -> tuple[str, ...]:
    """Those of TRICKS whose packages are here."""
    return TRICKS if find_spec("sageattention") else tuple(trick for trick in TRICKS if trick != "sage")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that `read` understands."""
    parser.add_argument("--family", default="pocket", help=f"the models, one of: {', '.join(FAMILIES)}")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="a folder of the family's parts, in the layout of its repository")
    parser.add_argument("--student", type=Path, help="the distilled tier's 8-bit experts, as `distill` exports them")
    parser.add_argument("--lora", type=Path, nargs=2, metavar=("HIGH", "LOW"), help="or a few-step LoRA of each expert")
    parser.add_argument(
        "--plan", default="", help=f"of memory; chosen by itself, or: {', '.join(p.name for p in PLANS)}"
    )
    parser.add_argument("--fast", default="", help=f"comma-separated, any of: {', '.join(TRICKS)} (see README)")
    parser.add_argument("--offline", action="store_true", help="download nothing")


def read(options: argparse.Namespace) -> Setup:
    """What the flags say.

    Raises:
        RequestError: they name something that there is not, or that the family does not take.
    """
    if not tiers(options.family)[0].source and (options.student or options.lora):
        raise RequestError(f"The {options.family} family has a student of its own: leave out --student and --lora.")
    if options.weights is not None and not options.weights.is_dir():
        raise RequestError(f"There is no folder {options.weights}: choose another --weights.")
    if options.device not in ("cpu", "cuda"):
        raise RequestError(f"There is no device called {options.device!r}: choose cpu or cuda.")
    tricks = tuple(filter(None, options.fast.split(",")))
    loras = None if options.lora is None else (options.lora[0], options.lora[1])
    return Setup(
        options.family, options.device, options.weights, options.student, loras, options.plan, tricks, options.offline
    )
