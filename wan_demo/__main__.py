"""The command line: python -m wan_demo generate PROMPT ... and python -m wan_demo check FILE."""

import argparse
import errno
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from wan_demo import machine
from wan_demo.events import STAGES, Event, Notice, Published
from wan_demo.policy import FILE, load_policy
from wan_demo.presets import find
from wan_demo.provenance.identity import load_identity
from wan_demo.request import (
    CAPTIONS,
    CODECS,
    FITS,
    FRAME_RATES,
    LANGUAGES,
    MODES,
    PLACES,
    TIERS,
    TIMINGS,
    Delivery,
    Label,
    Request,
    RequestError,
    Soundtrack,
    parse_fps,
    parse_size,
)
from wan_demo.setup import add_flags, read, require_device
from wan_demo.worker import SAID, JobError, failure, make_clip

FAILED, REFUSED, ALTERED, NO_TRACE = 1, 2, 3, 4


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, without the usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise RequestError(f"The command is not understood: {message}; see python -m wan_demo --help.")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 refused; of `check` 3 and 4, see `check_file`."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of an optional kernel that nobody needs
    try:
        options = parse(arguments)
        commands = {"generate": generate, "check": check_file, "fit": machine.fit, "bench": machine.bench}
        return {**commands, "fetch": machine.fetch}[options.command](options)
    except RequestError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except (JobError, *SAID) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m wan_demo", description="Text to finished video.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    make = commands.add_parser("generate", help="make one clip from a sentence")
    make.add_argument("prompt")
    make.add_argument("--negative", default="", help="what to steer away from, where the tier is guided")
    make.add_argument("--tier", default="distilled", help=f"one of: {', '.join(TIERS)}")
    make.add_argument("--seed", default="0", help="a whole number; the same seed gives the same clip")
    make.add_argument("--mode", default="chain", help=f"one of: {', '.join(MODES)}; direct skips the upsampling")
    make.add_argument("--size", default="1280x720", help="WIDTHxHEIGHT in pixels, 16:9, 9:16 or 1:1, up to 3840x2160")
    make.add_argument("--fps", default="30", help=f"one of: {', '.join(FRAME_RATES)}")
    make.add_argument("--codec", default=CODECS[0], help=f"one of: {', '.join(CODECS)}")
    make.add_argument("--timing", default=TIMINGS[0], help="exact; even: smoother, and a little slower")
    make.add_argument(
        "--mend", action=argparse.BooleanOptionalAction, default=True, help="take out flicker, shake and colour drift"
    )
    make.add_argument("--duration", default="2", help="seconds")
    make.add_argument("--label", default=PLACES[0], help=f"where it stands: {', '.join(PLACES)}; off, where allowed")
    make.add_argument("--label-language", default=LANGUAGES[0], help=f"one of: {', '.join(LANGUAGES)}")
    make.add_argument("--sound", type=Path, help="a sound or video file whose sound the clip gets")
    make.add_argument("--fit", default=FITS[0], help="cut the sound to the clip, loop it, or let the clip last as long")
    make.add_argument("--beats", action="store_true", help="move the motion onto the sound's beats")
    make.add_argument("--effects", action="store_true", help="synthesise the noises of the scene and of what moves")
    make.add_argument("--narrate", nargs="?", const=True, default="", help="speak a text, or the prompt")
    make.add_argument("--captions", default=CAPTIONS[0], help=f"of the narration: {', '.join(CAPTIONS)}")
    make.add_argument("--output", type=Path, help="the MP4 file to write")
    make.add_argument("--json", action="store_true", help="print a report of the clip on stdout")
    add_flags(make)
    look = commands.add_parser("check", help="tell whether a video is ours, and as it was published")
    look.add_argument("file", type=Path)
    look.add_argument("--json", action="store_true", help="print what was found on stdout as JSON")
    machine.add_commands(commands)
    return parser.parse_args(arguments)


def generate(options: argparse.Namespace) -> int:
    """The `generate` command."""
    request, setup = to_request(options), read(options)
    find(setup.family, request.tier).check(request)
    output = options.output or Path(f"wan_demo-{request.tier}-{request.seed}.mp4")
    check_output(output)

    from wan_demo import shelf  # heavy: not before the request has been found good
    from wan_demo.locate import at_hand
    from wan_demo.safety.inspector import Inspector
    from wan_demo.store import KEYS, home

    try:
        require_device(setup.device)  # a fault of device, keys or request is told before weights come
        load_identity(home() / KEYS)
        with closing(Inspector(load_policy(home() / FILE))) as inspector:
            inspector.check_request(request)
            taken = shelf.Shelf(at_hand(setup), setup.device, setup.plan).take(request.tier)
            published = _watch(make_clip(request, output, taken, inspector, setup.device))
    except Exception as error:
        raise failure(error) from error
    print(json.dumps(published.report) if options.json else published.path)
    return 0


def to_request(options: argparse.Namespace) -> Request:
    """What the options of `generate` ask for.

    Raises:
        RequestError: it is not one that a clip can be made of.
    """
    size, fps, label = parse_size(options.size), parse_fps(options.fps), Label(options.label, options.label_language)
    return Request(
        options.prompt,
        options.tier,
        int(_number("seed", options.seed, whole=True)),
        options.mode,
        _number("duration", options.duration),
        Delivery(*size, fps, options.codec, options.timing, options.mend, label),
        Soundtrack(
            options.sound,
            options.fit,
            options.beats,
            options.effects,
            options.prompt if options.narrate is True else options.narrate,
            options.captions,
        ),
        options.negative,
    )


def check_file(options: argparse.Namespace) -> int:
    """The `check` command: 0 for a file of ours that is intact, 3 for an altered one, 4 for no trace of us."""
    from wan_demo import check
    from wan_demo.store import KEYS, Records, home

    if not os.path.isfile(options.file):  # where it may not be looked at, Path.is_file raises; so in check_output
        raise RequestError(f"There is no file {options.file}: name a video.")
    try:
        finding = check.check(options.file, load_identity(home() / KEYS), Records().fingerprint)
    except ValueError as error:
        raise RequestError(str(error)) from None
    record = Records().find(finding.mark) if finding.mark else None
    print(json.dumps({**asdict(finding), "record": record}) if options.json else finding.sentence(record))
    return {check.INTACT: 0, check.ALTERED: ALTERED, check.NO_TRACE: NO_TRACE}[finding.verdict]


def check_output(path: Path) -> None:
    """Refuse an output that could not be written, before any work.

    Raises:
        RequestError: its folder is missing or closed, or it is a folder, or not an .mp4.
    """
    if path.suffix.lower() != ".mp4":
        raise RequestError(f"The output {path} must end in .mp4: change its name.")
    if os.path.isdir(path):
        raise RequestError(f"The output {path} is a folder: name a file in it.")
    if not os.path.isdir(path.absolute().parent):
        raise RequestError(f"The folder {path.absolute().parent} does not exist: make it, or choose another.")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
        with suppress(FileNotFoundError):
            path.lstat()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        what = f"output {path}" if error.errno == errno.ENAMETOOLONG else f"folder {path.absolute().parent}"
        raise RequestError(f"The {what} cannot be written ({reason}): choose another.") from None


def _number(name: str, text: str, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "whole number" if whole else "number"
        raise RequestError(f"The {name} {text!r} is not a {kind}: give one, such as 2.") from None


def _watch(events: Iterator[Event]) -> Published:
    """Draw a progress bar on stderr until the clip is published."""
    with tqdm(total=1.0, file=sys.stderr, bar_format="{desc} {bar:30} {postfix}") as bar:
        for event in events:
            if isinstance(event, Published):
                return event
            if isinstance(event, Notice):
                bar.write(event.text, file=sys.stderr)
                continue
            done = STAGES.index(event.stage) + event.step / event.steps
            left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
            bar.set_description_str(f"{event.stage:<10}", refresh=False)
            bar.set_postfix_str(f"{event.step}/{event.steps}{left}", refresh=False)
            bar.n = done / len(STAGES)
            bar.refresh()
    raise AssertionError("a chain ends with Published")


if __name__ == "__main__":
    sys.exit(main())
