"""One verb a command: python -m distill VERB. `all` makes a family from nothing: the other training verbs, in order."""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

from distill import parallel
from distill.captions import CODES
from distill.config import RECIPES, Recipe
from distill.evaluate import SPLITS, Sample
from distill.outcome import Column
from distill.report import check, report
from distill.train import VERBS
from wan_demo.integrity import CHECKSUMS, WeightsError
from wan_demo.presets import find
from wan_demo.request import SHAPES, TIERS, Delivery, size_of

CONTINUES = ("autoencoder", "upsampler", "teacher", "student")  # verbs that can begin with weights
HELP = {
    "all": "train a family from nothing",
    "student": "distil the few-step students",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb, or all that train. They go on where they were stopped."""
    options = parse(arguments)
    asked = columns(options) if options.verb == "evaluate" else []
    try:
        if asked:
            check(asked)
        else:
            begin(options.runs, options.start)
    except (WeightsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if asked:
        how = (options.device, options.log, options.json, options.html, options.batch, options.judges)
        parallel.launch(report, options.workers, asked, *how)
    else:
        train(options.verb, RECIPES[options.recipe], options.runs)
    return 0


def begin(runs: Path, start: Path | None) -> None:
    """Make the folder of a training, with the weights of `start` where it is given; asked again, it changes nothing.

    Raises:
        ValueError: there are no weights in `start`, or the folder holds a training that began otherwise.
    """
    note = runs / "start"
    if start is None:
        runs.mkdir(parents=True, exist_ok=True)
    elif not (start / CHECKSUMS).is_file():
        raise ValueError(f"{start} is not a weights folder: it has no {CHECKSUMS}.")
    elif not runs.exists() or not any(runs.iterdir()):
        shutil.copytree(start, runs / "pocket")
        note.write_text(str(start.resolve()))
    elif not note.is_file() or note.read_text() != str(start.resolve()):
        raise ValueError(f"{runs} holds another training: leave out --start to go on with it, or use another --runs.")


def train(verb: str, recipe: Recipe, runs: Path) -> None:
    """Run a training verb, or `all`, into a folder that `begin` made."""
    for name in VERBS if verb == "all" else (verb,):
        parallel.launch(VERBS[name], recipe.workers, recipe, runs)


def columns(options: argparse.Namespace) -> list[Column]:
    """Each tier in each shape with each split in each language, as `evaluate` is asked for them."""
    out = []
    for tier in options.tier:
        preset = find("pocket", tier)
        preset = preset if options.weights is None else preset.at(options.weights)
        named = [(tier, preset)]
        if options.students and tier == "distilled":
            named.insert(0, ("distilled before 8-bit", replace(preset, experts=options.students)))
        for (name, each), shape, split, code in product(named, options.shape, options.split, options.language):
            sample = Sample(split, options.clips, options.seed, code, options.any_words, options.repeats)
            details = [shape] * (options.shape != ["16:9"])
            details += [split] * (options.split != ["heldout"]) + [code] * (options.language != ["en"])
            drawn = each.drawn(Delivery(*size_of(shape, 720)), each.usual_s)
            out.append(Column(name, drawn, sample, ", ".join(details)))
    return out


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m distill", description=__doc__)
    parser.set_defaults(start=None)  # of verbs that do not take it
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("all", *VERBS):
        verb = verbs.add_parser(name, help=HELP.get(name, f"train the {name}"))
        verb.add_argument("--runs", type=Path, default=Path("runs"), help="where state, logs and weights are kept")
        if name in CONTINUES:
            verb.add_argument("--start", type=Path, help="a weights folder to train on from, such as the shipped one")
        verb.add_argument("--recipe", choices=list(RECIPES), default="cpu")
    judge = verbs.add_parser("evaluate", help="score generated clips with the pixel judge")
    judge.add_argument("--tier", choices=TIERS, nargs="+", default=["distilled"])
    judge.add_argument("--split", choices=SPLITS, nargs="+", default=["heldout"], help="what the clips show")
    judge.add_argument("--shape", choices=list(SHAPES), nargs="+", default=["16:9"], help="of the clips")
    judge.add_argument("--clips", type=at_least(1), default=200)
    judge.add_argument("--seed", type=at_least(0), default=0)
    judge.add_argument("--device", default="cpu")
    judge.add_argument("--workers", type=at_least(1), default=1, help="processes of one thread each")
    judge.add_argument("--batch", type=at_least(1), default=1, help="clips generated at once, such as 64 on a GPU")
    judge.add_argument("--judges", type=at_least(0), default=0, help="more processes, that judge meanwhile")
    judge.add_argument("--weights", type=Path, help="another weights folder than the shipped one")
    judge.add_argument("--log", type=Path, help="append a line of JSON a clip to this file")
    judge.add_argument("--language", choices=CODES, nargs="+", default=["en"], help="of the captions")
    judge.add_argument("--any-words", action="store_true", help="paraphrases instead of the plain captions")
    judge.add_argument("--repeats", type=at_least(1), default=1, help="clips of each combination, with a seed each")
    judge.add_argument(
        "--students", type=Path, help="the students before they were made 8-bit, to compare: runs/students"
    )
    judge.add_argument("--html", type=Path, help="write a page with plots and pictures")
    judge.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.verb == "evaluate":
        _check(options, parser)
    return options


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a number, so large or larger."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse what would fail when the clips are made."""
    for file in filter(None, (options.log, options.html)):
        if not file.parent.is_dir():
            parser.error(f"there is no folder {file.parent} to write {file.name} to")
    if options.judges and options.workers > 1:
        parser.error("--judges is for one worker: several have a core each, and judge on it")
    if "pairs" in options.split and options.shape != ["16:9"]:
        parser.error("two things have room in 16:9 alone: leave out --shape, or --split pairs")
    if options.students and "distilled" not in options.tier:
        parser.error("--students is compared with the distilled tier: ask for it with --tier")


if __name__ == "__main__":
    sys.exit(main())
