"""What a job tells as it goes. No model code is needed to read it, so the page starts without any."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# layout and detail are the denoising: the high-noise and the low-noise expert
STAGES = (
    "encode",
    "layout",
    "upsample",
    "detail",
    "decode",
    "frame rate",
    "resize",
    "check",
    "label",
    "watermark",
    "write",
    "sign",
    "read back",
)


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
class Published:
    """A whole, checked video file; report: see `generate --json` in the README."""

    path: Path
    report: dict[str, Any]


Event = Notice | Progress | Published
