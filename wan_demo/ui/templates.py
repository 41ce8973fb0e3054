"""Finished clips of the page's own examples: made when somebody first asks for one, and shown again to the next.

Only examples, with the settings that the page starts with: such a clip holds nothing of a visitor, and there are few.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import wan_demo
from wan_demo.integrity import CHECKSUMS, digest
from wan_demo.policy import Policy
from wan_demo.presets import Preset
from wan_demo.provenance.identity import IdentityError, load_identity
from wan_demo.provenance.signature import read_signature
from wan_demo.request import Delivery, Label, Request
from wan_demo.setup import Setup
from wan_demo.store import KEYS, Records, home
from wan_demo.ui.choices import EXAMPLES
from wan_demo.worker import Published

FOLDER = "templates"
KEPT = 100  # more than one version of code and weights has; the oldest go
PACKAGES = ("torch", "diffusers", "transformers", "bitsandbytes", "numpy", "opencv-python-headless")  # that draw


@dataclass(frozen=True)
class Templates:
    """A help, not a need: what cannot be kept or read is drawn.

    examples: prompts; usual_s: how long their clips are. versions: by tier, a digest of all that a clip follows from
    besides its request; of a tier without one nothing is kept.
    """

    examples: Sequence[str]
    usual_s: int
    versions: Mapping[str, str]

    @classmethod
    def of(cls, setup: Setup, presets: Sequence[Preset], policy: Policy) -> "Templates":
        """Those of a page that starts now: code and weights that change later are not the ones that are at work.

        None are kept where the operator has rules of their own, or where the weights have no checksums.
        """
        code, versions = _code(), {}
        for preset in presets:
            listing = preset.weights / CHECKSUMS  # the worker holds the weights against it
            if listing.is_file() and policy == Policy():
                versions[preset.tier] = _digest((preset, setup, listing.read_text(), code))
        return cls(EXAMPLES.get(setup.family, ()), min(preset.usual_s for preset in presets), versions)

    def find(self, request: Request, output: Path) -> tuple[Published, datetime] | None:
        """The clip of this request, copied to `output`, with its own report, and when it was made.

        None where there is none, or it is no longer what was published by these keys.
        """
        kept = self._path(request)
        with suppress(OSError, IdentityError):
            if kept is None or not kept.is_file():
                return None
            made = datetime.fromtimestamp(kept.stat().st_mtime, UTC)
            shutil.copyfile(kept, output)
            signature = read_signature(output, load_identity(home() / KEYS))
            report = Records().find(signature.mark) if signature.state == "intact" and signature.mark else None
            if report is not None and report["sha256"] == digest(output):
                return Published(output, report), made
        return None

    def keep(self, request: Request, clip: Path) -> None:
        """Keep a clip that was just made, if it is of an example."""
        kept = self._path(request)
        if kept is None:
            return
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(clip, draft)
            draft.replace(kept)
            for old in sorted(kept.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                old.unlink()

    def _path(self, request: Request) -> Path | None:
        """Where the clip of an example is kept; None for any other request."""
        at_work = self.versions.get(request.tier)
        if at_work is None or request.prompt not in self.examples:
            return None
        delivery = Delivery(label=Label(language=request.delivery.label.language))
        at_first = Request(request.prompt, request.tier, duration_s=self.usual_s, delivery=delivery)
        return home() / FOLDER / f"{_digest((at_first, at_work))}.mp4" if request == at_first else None


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _code() -> str:
    """A digest of this package's files, but for the page and the weights, and of what draws with it."""
    root = Path(wan_demo.__file__).parent
    state = hashlib.sha256()
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            state.update(f"{name} {version(name)}\n".encode())
    for path in sorted(root.rglob("*")):
        part = path.relative_to(root)
        if path.is_file() and not {"ui", "weights", "__pycache__"} & set(part.parts):
            state.update(f"{part} {path.stat().st_size}\n".encode() + path.read_bytes())
    return state.hexdigest()
