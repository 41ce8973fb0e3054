"""From an edit to a file: finish, label, watermark, write, sign, read back. Frame by frame."""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wan_demo import mp4
from wan_demo.check import INTACT, Finding, check, pictures_of
from wan_demo.clock import Clock
from wan_demo.edit import Edit
from wan_demo.events import Progress
from wan_demo.finish.captions import burn
from wan_demo.finish.frame_rate import Means, frames_at
from wan_demo.finish.resize import fit
from wan_demo.prefetch import prefetched
from wan_demo.provenance.fingerprint import Fingerprint
from wan_demo.provenance.identity import Identity
from wan_demo.provenance.label import add_label, has_label
from wan_demo.provenance.metadata import add_xmp, tags
from wan_demo.provenance.signature import sign
from wan_demo.provenance.watermark import Embedder
from wan_demo.request import Delivery, Request
from wan_demo.safety.frames import check_frames
from wan_demo.safety.inspector import Inspector, sampled

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

LARGE = 2**22  # pixels of a frame from which on none is made in advance: a 4K clip is to be written within 2 GB
START_S = 0.001  # how far apart picture and sound may begin


def publish(
    edit: Edit,
    request: Request,
    mark: str,
    identity: Identity,
    output: Path,
    inspector: Inspector,
    clock: Clock,
    means: Means,
) -> Generator[Progress, None, tuple[mp4.Probe, dict[str, Any], bytes]]:
    """Finish, write, sign and read back; only what reads back whole is moved to `output`.

    Frame by frame: no more than a few are ever in memory, and the next is made while one is encoded (not LARGE ones).
    Returns what the file holds, what the operator's rules saw, and its fingerprint. means: with what frames in between
    are made.
    """
    # Beside the output: where this process is killed, the page still throws a clip's folder away.
    beside = tempfile.TemporaryDirectory(prefix=".wan_demo-", dir=output.absolute().parent)
    with mp4.replaced_when_done(output) as signed, beside as folder:
        draft = Path(folder) / "draft.mp4"
        with clock.stage("write"):
            seen = yield from _write(edit, request, mark, identity, draft, inspector, clock, means)
        with clock.stage("sign"):
            yield clock.progress()
            add_xmp(draft)
            sign(draft, signed, identity, mark)
        with clock.stage("read back"):
            yield clock.progress()
            sets = pictures_of(signed)
            finding = check(signed, identity, sets=sets)
            made = _read_back(signed, request, len(edit.moments), finding, mark)
    return made, seen, Fingerprint.of(sets[0]).to_bytes()


def _write(
    edit: Edit,
    request: Request,
    mark: str,
    identity: Identity,
    draft: Path,
    inspector: Inspector,
    clock: Clock,
    means: Means,
) -> Generator[Progress, None, dict[str, Any]]:
    """Finish, watermark and encode the clip; returns what the operator's rules saw in it."""
    delivery, looks, count = request.delivery, list[Frame](), len(edit.moments)
    embedder = Embedder(bytes.fromhex(mark), identity.carrier_key, delivery.height, delivery.width)
    extras = mp4.Extras(tags(mark), edit.sound, edit.captions if request.sound.captions == "track" else ())
    with mp4.encoded(draft, delivery.fps, delivery.codec, extras) as writer:
        yield clock.progress(0, count)
        making = Clock()  # mostly another thread's
        marked = making.each("watermark", map(embedder.mark, finished(edit, request, making, looks, means)))
        for done, frame in enumerate(_in_advance(marked, delivery), 1):
            writer.add(frame)
            yield clock.progress(done, count)
        clock.seconds |= making.seconds
        return inspector.check_clip(looks)


def _in_advance(frames: Iterator[Frame], delivery: Delivery) -> Iterator[Frame]:
    """The same frames, made while the caller works on those before, unless they are LARGE."""
    return frames if delivery.width * delivery.height >= LARGE else prefetched(frames)


def finished(edit: Edit, request: Request, clock: Clock, looks: list[Frame], means: Means) -> Iterator[Frame]:
    """The frames of the file, labelled but not watermarked, as they are asked for.

    looks: gets those that the operator's rules are asked about. Raises UnsafeClipError at the end of an unsafe clip.
    """
    delivery, label = request.delivery, request.delivery.label
    frames = clock.each("frame rate", frames_at(edit.clip, edit.moments, means))
    frames = clock.each("resize", (fit(frame, delivery.width, delivery.height) for frame in frames))
    frames = clock.each("check", sampled(check_frames(frames, delivery.fps), len(edit.moments), looks))
    if request.sound.captions == "burnt":
        frames = clock.each("captions", burn(frames, delivery.fps, edit.captions))
    if label.place == "off":
        return frames
    return clock.each("label", (add_label(frame, label.language, label.place) for frame in frames))


def _read_back(path: Path, request: Request, frames: int, finding: Finding, mark: str) -> mp4.Probe:
    """What the file holds. Raises RuntimeError when it, or what `check` found, is not what was to be."""
    label, delivery = request.delivery.label, request.delivery
    unlabelled: list[bool] = []

    def look(planes: mp4.Planes) -> None:
        if label.place != "off" and not has_label(planes.luma, label.language, label.place):
            unlabelled.append(True)

    made, wanted = mp4.probe(path, look), Finding(INTACT, "intact", "ours", mark, ())
    asked = ((delivery.width, delivery.height), delivery.fps, frames)
    if unlabelled or (made.size, made.fps, made.frames) != asked or finding != wanted or not _in_time(made, request):
        raise RuntimeError(f"the file does not read back as it was made: {made}, {finding}, unlabelled: {unlabelled}")
    return made


def _in_time(made: mp4.Probe, request: Request) -> bool:
    """Whether there is sound only if there should be, beginning with the picture and ending within a frame of it."""
    if made.sound is None or request.sound.silent:
        return made.sound is None and request.sound.silent
    late = made.sound.end_s - float(made.frames / made.fps)
    return abs(made.sound.start_s - made.start_s) <= START_S and abs(late) * made.fps <= 1
