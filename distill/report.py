"""The `evaluate` verb: runs what is to be compared, prints the shares, and writes one page of HTML on request."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import groupby, repeat
from pathlib import Path
from typing import Any

import numpy as np

from distill import features, parallel, report_html
from distill.data import camera_of
from distill.evaluate import RENDERED, crew, eye, tell, watch
from distill.outcome import Column, Outcome
from distill.things import Floats
from distill.world import Camera, What, draw
from wan_demo.integrity import verify
from wan_demo.models import load, load_tokenizer


def check(columns: Sequence[Column]) -> None:
    """Before a clip is made.

    Raises:
        WeightsError, ValueError: weights are not whole, or have no words for what is asked.
    """
    for (folder, repair), some in groupby(columns, key=lambda column: (column.preset.weights, column.preset.repair)):
        verify(folder, repair)
        tokenizer = load_tokenizer(folder / "tokenizer")
        for column in some:
            if not column.preset.has_experts:
                raise ValueError(f"There are no experts of the {column.preset.tier} tier in {column.preset.experts}.")
            tell(column.sample, tokenizer)


def report(
    columns: Sequence[Column], device: str, log: Path | None, as_json: bool, html: Path | None, batch: int, judges: int
) -> None:
    """Evaluate each column, in every process of `distill.parallel`; the first one prints and writes.

    batch, judges: see `watch` and `crew`.
    """
    outcomes = []
    with crew(judges) as pool:
        for preset, some in groupby(columns, key=lambda column: column.preset):
            models = load(preset, device)
            for column in some:
                seen = watch(preset, models, column.sample, html is not None, log, batch, pool)
                outcomes.append(Outcome(column, seen))
                if parallel.rank() == 0:
                    _print(outcomes[-1], as_json)
        if html and parallel.rank() == 0:
            html.write_text(report_html.page(outcomes, floor(outcomes[0], pool)), encoding="utf-8")


def floor(outcome: Outcome, judges: Executor) -> float | None:
    """The Frechet distance between two sets of clips that the world draws: no model can be expected below it.

    None for too few clips.
    """
    if outcome.frechet is None:
        return None
    first = outcome.column.sample.seed + 2 * RENDERED
    camera = camera_of(outcome.column.preset.finish)
    seeds = [first + s.number for s in outcome.seen]
    again = judges.map(drawn, [s.what for s in outcome.seen], seeds, repeat(camera))
    return features.frechet(np.stack(list(again)), outcome.features[1])


def drawn(what: What, seed: int, camera: Camera) -> Floats:
    """The features of a clip that the world draws."""
    return features.look(eye(), draw(what, seed, camera).frames, camera.fps)


def _print(outcome: Outcome, as_json: bool) -> None:
    column, result = outcome.column, outcome.result
    if as_json:
        told: dict[str, Any] = {
            "family": column.preset.family,
            "tier": column.preset.tier,
            "split": column.sample.split,
        }
        told |= {"name": column.title, "language": column.sample.language, "clips": result.clips}
        told |= {name: share.value for name, share in result.shares.items()} | {"interval": result.interval}
        told |= {"asked": {name: share.of for name, share in result.shares.items()}}
        print(json.dumps(told | {"by_value": outcome.by_value()}), flush=True)
        return
    print(f"# {column.title}")
    for name, share in result.shares.items():
        print(f"{name:<10} {share.value:.3f}  {share.interval[0]} to {share.interval[1]}  of {share.of}", flush=True)
