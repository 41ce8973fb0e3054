"""How much memory and time a clip takes on its way from the model's frames to a file that was read back.

python -m benchmarks.delivery [--seconds 10] [--size 3840x2160] [--fps 60] [--codec h264]

The model's frames are a drifting texture of 1280x720 at 16 a second, and are part of the memory that is told.
"""

import argparse
import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from benchmarks.clips import natural
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.edit import Edit, times
from wan_demo.finish.frame_rate import PLAIN
from wan_demo.pipeline import result_of
from wan_demo.policy import Policy
from wan_demo.provenance.identity import load_identity
from wan_demo.publish import publish
from wan_demo.request import Delivery, Request, parse_fps, parse_size
from wan_demo.safety.inspector import Inspector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--size", default="3840x2160")
    parser.add_argument("--fps", default="60")
    parser.add_argument("--codec", default="h264")
    options = parser.parse_args()
    delivery = Delivery(*parse_size(options.size), parse_fps(options.fps), options.codec)
    request = Request("a drifting texture", duration_s=options.seconds, delivery=delivery)
    clip = Clip(natural(0, round(16 * options.seconds) + 1, 720, 1280).frames, Fraction(16))
    started, clock = time.perf_counter(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        identity = load_identity(Path(folder) / "keys")
        mark = identity.mark({"benchmark": options.seconds})
        edit, output = Edit(clip, times(clip, request)), Path(folder) / "clip.mp4"
        made, *_ = result_of(publish(edit, request, mark, identity, output, Inspector(Policy()), clock, PLAIN))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"{made.frames} frames of {options.size} at {options.fps}: {time.perf_counter() - started:.0f} s")
    print("  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in clock.seconds.items()))
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
