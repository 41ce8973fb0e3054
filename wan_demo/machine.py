"""The commands about this machine: what fits it, how fast it is, and the download of weights."""

import argparse
import gc
import json
import math
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from wan_demo.plans import GIB, Fit, named
from wan_demo.presets import WEIGHTS, Preset, find, tiers, usable
from wan_demo.request import TIERS, Delivery, Request, RequestError, parse_size
from wan_demo.setup import Setup, add_flags, read, require_device

if TYPE_CHECKING:
    from wan_demo.models import Models

PROMPT = "a red ball moves right over green grass"


def add_commands(commands: Any) -> None:
    """Register `fit`, `bench` and `fetch` with the program's subparsers."""
    fits = commands.add_parser("fit", help="tell what runs on this machine, how, and about how long it takes")
    fits.add_argument("--memory", type=float, metavar="GIB", help="as if the GPU had so much free, on any machine")
    fits.add_argument("--json", action="store_true")
    add_flags(fits)
    bench = commands.add_parser("bench", help="time every stage on this machine, cold and warm")
    bench.add_argument("--tier", default=TIERS[1], help=f"one of: {', '.join(TIERS)}")
    bench.add_argument("--size", default="1280x720")
    bench.add_argument("--runs", type=int, default=3, help="the first is cold (default: %(default)s)")
    bench.add_argument("--steps", type=int, help="cut the schedule to about so many, to be done sooner")
    bench.add_argument("--random-weights", action="store_true", help="the family at its full size, without its weights")
    bench.add_argument("--compare", action="store_true", help="also run diffusers' WanPipeline on the same weights")
    bench.add_argument("--json", action="store_true")
    add_flags(bench)
    fetch = commands.add_parser("fetch", help="download a family's weights, or go on with it")
    add_flags(fetch)


def fit(options: argparse.Namespace) -> int:
    """The `fit` command: exit code 0 if something fits, 1 if nothing does."""
    from wan_demo import fit as fitting

    setup = read(options)
    if options.memory is not None and not 0 < options.memory < math.inf:
        raise RequestError(f"A GPU cannot have {options.memory} GiB free: give --memory a number above 0.")
    rows = [replace(preset, tricks=setup.tricks) for preset in usable(tiers(setup.family, setup.weights))]
    timed, plan = options.memory is None, named(setup.plan) if setup.plan else None
    device = fitting.look(setup.device) if timed else fitting.Device("cuda", options.memory * GIB, math.inf)
    found = [fitting.fit(one, device, timed, plan) for preset in rows for one in fitting.sizes(preset)]
    print(json.dumps([asdict(one) for one in found], indent=2) if options.json else _table(found))
    return 0 if any(one.fits for one in found) else 1


def _table(found: list[Fit]) -> str:
    head = ("tier", "draws", "fits", "plan", "peak GiB", "models s", "why")
    rows: list[tuple[str, ...]] = [head]
    for one in found:
        seconds = "-" if one.model_s is None else f"{one.model_s:.1f}"
        size, fits = f"{one.width}x{one.height}x{one.frames}", "yes" if one.fits else "no"
        rows.append((one.tier, size, fits, one.plan, f"{one.peak_gib:.1f}", seconds, one.why))
    return columns(rows)


def columns(rows: list[tuple[str, ...]]) -> str:
    """Rows of text as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def bench(options: argparse.Namespace) -> int:
    """The `bench` command."""
    setup = read(options)
    if options.runs < 1 or (options.steps is not None and options.steps < 1):
        raise RequestError("A bench needs at least one run and one step: give --runs and --steps 1 or more.")
    preset = replace(find(setup.family, options.tier), tricks=setup.tricks)
    request = Request(PROMPT, options.tier, delivery=Delivery(*parse_size(options.size)), duration_s=preset.usual_s)
    from wan_demo import bench as benching
    from wan_demo.provenance.identity import load_identity
    from wan_demo.store import KEYS, home

    identity, started = load_identity(home() / KEYS), time.perf_counter()
    preset, parts = _cut(options, *parts_of(setup, preset, options.random_weights))
    load_s = time.perf_counter() - started
    runs = [benching.run(request, preset, parts, identity, options.random_weights) for _ in range(options.runs)]
    told: dict[str, Any] = {"family": setup.family, "tier": options.tier, "size": options.size, "device": _name(setup)}
    told |= {"plan": parts.plan.name, "random_weights": options.random_weights, "steps": preset.schedule.steps}
    told |= {"tricks": list(preset.tricks), "load_s": round(load_s, 3), "stages": benching.summary(runs)}
    if options.compare:
        count, resident = max(1, options.runs - 1), {"text_encoder", "high", "low"} <= parts.plan.stays
        ours = benching.chain_s(request, preset, parts, count)
        del parts
        gc.collect()  # what was left of them would stand in the way of WanPipeline's own, which know no tricks
        plain = replace(setup, device="cpu", plan="", tricks=()), replace(preset, tricks=())
        theirs = _cut(options, *parts_of(*plain, options.random_weights))
        wan = benching.wan_pipeline_s(request, *theirs, setup.device, resident, count)
        seconds = {"ours_s": ours, "wan_pipeline_s": wan, "times_faster": wan / ours}
        told["compare"] = {name: round(value, 3) for name, value in seconds.items()}
    print(json.dumps(told, indent=2) if options.json else _stages(told))
    return 0


def _cut(options: argparse.Namespace, preset: Preset, parts: "Models") -> "tuple[Preset, Models]":
    return (replace(preset, schedule=preset.schedule.cut(options.steps)) if options.steps else preset), parts


def parts_of(setup: Setup, preset: Preset, random_weights: bool) -> "tuple[Preset, Models]":
    """The preset with its parts: from its weights, or random ones of the same shapes."""
    from wan_demo.shelf import Shelf

    require_device(setup.device)
    if not random_weights:
        from wan_demo.locate import at_hand

        return Shelf(at_hand(setup), setup.device, setup.plan).take(preset.tier)
    from wan_demo import fit, models
    from wan_demo.random_weights import build
    from wan_demo.tricks import speed_up

    folders = (preset.weights / "tokenizer", WEIGHTS / "pocket" / "tokenizer")  # the shipped one does for any model
    tokenizer = models.load_tokenizer(next(folder for folder in folders if folder.is_dir()))
    parts = build(preset, tokenizer, setup.device, fit.choose(preset, setup.device, setup.plan))
    speed_up(parts, preset.tricks)
    return preset, parts


def _stages(told: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("stage", "cold s", "warm s", "peak GiB")]
    for stage, figures in told["stages"].items():
        cells = (figures.get(name) for name in ("cold_s", "warm_s", "peak_gib"))
        rows.append((stage, *("-" if cell is None else f"{cell:.2f}" for cell in cells)))
    notes = [f"{key}: {told[key]}" for key in ("device", "plan", "steps", "random_weights", "load_s")]
    if "compare" in told:
        both = told["compare"]
        notes.append(f"prompt to frames: {both['ours_s']} s, WanPipeline {both['wan_pipeline_s']} s")
    return "\n".join([columns(rows), *notes])


def _name(setup: Setup) -> str:
    if setup.device == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name()


def fetch(options: argparse.Namespace) -> int:
    """The `fetch` command: prints where each tier's weights are."""
    from wan_demo.locate import at_hand

    try:
        for preset in at_hand(read(options)):
            print(f"{preset.family} {preset.tier}: {preset.weights}, experts in {preset.experts}")
    except KeyboardInterrupt:
        print("Stopped: the same command goes on where the download was.", file=sys.stderr)
        return 130
    return 0
