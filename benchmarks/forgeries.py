"""How many forged watermarks are accepted: what was added to one clip, taken off exactly and added to another.

python -m benchmarks.forgeries [--prompts 8] [--seed 0]

Two clips of each prompt are drawn by the distilled pocket model, with --seed and the next one. Forgeries are made
between the two, and between those of a prompt and of the one before. `accepted` is without a record of the clip forged
from, as on another machine.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.watermark import KEY, PROMPTS, Marked, drawn, put
from wan_demo import models, mp4
from wan_demo.check import pictures_of
from wan_demo.clip import Clip
from wan_demo.presets import find
from wan_demo.provenance.detector import find_mark
from wan_demo.provenance.fingerprint import ALIKE, Fingerprint


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forgeries", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    told: dict[str, list[tuple[bool, float | None]]] = {"same prompt": [], "other prompt": []}
    parts, before = models.load(find("pocket", "distilled")), list[Marked]()
    with tempfile.TemporaryDirectory() as name:
        for p in tqdm(range(options.prompts), file=sys.stderr, mininterval=5):
            clips = (drawn(PROMPTS[p], options.seed + s, parts) for s in range(2))
            pair = [put(2 * p + s, "generated", clip, Path(name)) for s, clip in enumerate(clips)]
            told["same prompt"] += [forge(pair[s], pair[1 - s], Path(name)) for s in range(2)]
            if before:
                told["other prompt"] += [forge(before[0], pair[1], Path(name)), forge(pair[0], before[1], Path(name))]
            before = pair
    for name, forged in told.items():
        likenesses = sorted(alike for _, alike in forged if alike is not None)
        known = sum(accepted if alike is None else alike >= ALIKE for accepted, alike in forged)
        print(f"{name}: made {len(forged)}, accepted {sum(a for a, _ in forged)}, with the record {known}")
        print(f"  likeness: {' '.join(f'{alike:.3f}' for alike in likenesses)}")


def forge(source: Marked, target: Marked, folder: Path) -> tuple[bool, float | None]:
    """Whether the forgery is accepted without the source's record, and its likeness to the source's fingerprint."""
    added = source.marked.frames.astype(np.int16) - source.clip.frames
    mp4.write(
        Clip(np.clip(target.clip.frames + added, 0, 255).astype(np.uint8), target.clip.fps), folder / "forged.mp4"
    )
    sets = pictures_of(folder / "forged.mp4")
    reading = find_mark(sets, KEY, source.payload.__eq__)
    if reading is None:
        return False, None
    return not reading.copied, Fingerprint.of(pictures_of(source.path)[0]).likeness(sets[0], reading.pose)


if __name__ == "__main__":
    main()
