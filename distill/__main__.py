"""One verb a command: python -m distill text | autoencoder | upsampler | teacher | student | evaluate."""

import argparse
import shutil
import sys
from pathlib import Path

from distill import parallel
from distill.config import RECIPES
from distill.evaluate import SPLITS, Sample, report
from distill.train import VERBS
from wan_demo.presets import find
from wan_demo.request import TIERS


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Training verbs go on where they were stopped."""
    options = parse(arguments)
    if options.verb == "evaluate":
        preset = find(options.family, options.tier)
        preset = preset if options.weights is None else preset.at(options.weights)
        sample = Sample(options.split, options.clips, options.seed)
        parallel.launch(report, options.workers, preset, options.device, sample, options.log, options.json)
        return 0
    recipe = RECIPES[options.recipe]
    options.runs.mkdir(parents=True, exist_ok=True)
    if options.start is not None and not (options.runs / "pocket").exists():
        shutil.copytree(options.start, options.runs / "pocket")
    parallel.launch(VERBS[options.verb], recipe.workers, recipe, options.runs)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m distill", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in VERBS:
        verb = verbs.add_parser(name, help=f"train the {name}" if name != "student" else "distil the few-step student")
        verb.add_argument("--runs", type=Path, default=Path("runs"), help="where state, logs and weights are kept")
        verb.add_argument("--start", type=Path, help="a weights folder to train on from, such as the shipped one")
        verb.add_argument("--recipe", choices=list(RECIPES), default="cpu")
    judge = verbs.add_parser("evaluate", help="score generated clips with the pixel judge")
    judge.add_argument("--family", default="pocket")
    judge.add_argument("--tier", choices=TIERS, default="distilled")
    judge.add_argument("--split", choices=list(SPLITS), default="heldout")
    judge.add_argument("--clips", type=int, default=200)
    judge.add_argument("--seed", type=int, default=0)
    judge.add_argument("--device", default="cpu")
    judge.add_argument("--workers", type=int, default=1, help="processes of one thread each that share the clips")
    judge.add_argument("--weights", type=Path, help="another weights folder than the shipped one")
    judge.add_argument("--log", type=Path, help="append a line of JSON a clip to this file")
    judge.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
