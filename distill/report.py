"""The `evaluate` verb: runs what is to be compared, prints the shares, and writes one page of HTML on request."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from distill import features, parallel, report_html
from distill.data import FINISH
from distill.evaluate import RENDERED, watch
from distill.outcome import Column, Outcome
from distill.world import draw
from wan_demo.models import load


def report(columns: Sequence[Column], device: str, log: Path | None, as_json: bool, html: Path | None) -> None:
    """Evaluate each column, in every process of `distill.parallel`; the first one prints and writes."""
    eye = features.load() if html else None
    outcomes = []
    for column in columns:
        seen = watch(column.preset, load(column.preset, device), column.sample, eye, log)
        outcomes.append(Outcome(column, seen))
        if parallel.rank() == 0:
            _print(outcomes[-1], as_json)
    if html and eye and parallel.rank() == 0:
        html.write_text(report_html.page(outcomes, floor(eye, outcomes[0])), encoding="utf-8")


def floor(eye: features.Eye, outcome: Outcome) -> float | None:
    """The Frechet distance between two sets of clips that the world draws: no model can be expected below it.

    None for too few clips.
    """
    if outcome.frechet is None:
        return None
    first = outcome.column.sample.seed + 2 * RENDERED
    again = [features.look(eye, draw(s.combination, first + s.number, FINISH).frames, FINISH.fps) for s in outcome.seen]
    return features.frechet(np.stack(again), outcome.features[1])


def _print(outcome: Outcome, as_json: bool) -> None:
    result, preset, sample = asdict(outcome.result), outcome.column.preset, outcome.column.sample
    if as_json:
        told = {"family": preset.family, "tier": preset.tier, "split": sample.split, **result}
        extra = {"name": outcome.column.name, "language": sample.language, "by_value": outcome.by_value()}
        print(json.dumps(told | extra), flush=True)
    else:
        print("\n".join((f"# {outcome.column.name}", *(f"{k:<10} {v}" for k, v in result.items()))), flush=True)
