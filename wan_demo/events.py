"""What a job tells as it goes. No model code is needed to read it, so the page starts without any."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# layout and detail are the denoising: the high-noise and the low-noise expert; redraw is the latter's again, of a clip
# that was lengthened. In "write" frames are encoded one after another, so that no more than a few are ever in memory; a
# thread beside it takes the next ones through BESIDE_WRITE.
STAGES = (
    "encode",
    "layout",
    "upsample",
    "detail",
    "lengthen",
    "redraw",
    "decode",
    "mend",
    "sound",
    "write",
    "sign",
    "read back",
)
BESIDE_WRITE = ("frame rate", "resize", "check", "captions", "label", "watermark")


@dataclass(frozen=True)
class Progress:
    """A stage has done `step` of `steps`; seconds_left for the whole clip, None where no earlier run tells."""

    stage: str
    step: int
    steps: int
    seconds_left: float | None


@dataclass(frozen=True)
class Notice:
    """A sentence for the person; the clip is made all the same."""

    text: str


@dataclass(frozen=True)
class Transfer:
    """Weights on their way: `done` of `total` bytes; seconds_left None until there is a pace to tell it from."""

    what: str  # Downloading, Checking, Preparing
    done: int
    total: int
    seconds_left: float | None

    def __str__(self) -> str:
        text = f"{self.what}: {self.done / 1e9:.1f} of {self.total / 1e9:.1f} GB"
        if self.seconds_left is None:
            return text
        minutes = round(self.seconds_left / 60)
        return f"{text}, {minutes} min left" if minutes else f"{text}, {round(self.seconds_left)} s left"


@dataclass(frozen=True)
class Published:
    """A whole, checked video file; report: see `generate --json` in the README; fingerprint: for the store."""

    path: Path
    report: dict[str, Any]
    fingerprint: bytes = b""


Event = Notice | Progress | Published
