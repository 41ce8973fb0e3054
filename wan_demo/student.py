"""The distilled tier's experts of a large model, 8-bit: a folder that `distill` exported, or the full experts with a
LoRA of each fused into them. Those are made once and kept, so that the next start opens the 8-bit result.
"""

import hashlib
import json
import math
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from wan_demo import quantize
from wan_demo.clock import Pace
from wan_demo.events import Transfer
from wan_demo.integrity import (
    EXPERTS,
    STEM,
    WeightsError,
    blob_name,
    digest,
    header,
    remember,
    verify,
    weight_files,
    write_checksums,
)
from wan_demo.lora import Lora
from wan_demo.store import home

FOLDER = "students"
SCRATCH = ".making-"
STALE_S = 86400  # what a killed process left behind is thrown away after that


def exported(folder: Path) -> Path:
    """The experts' folder in one that `distill` exported; its files are held against its checksums.

    Raises:
        WeightsError: a file is missing or damaged, or the experts are not 8-bit ones.
    """
    verify(folder, "export it again, or copy it again")
    experts = folder / "distilled" if (folder / "distilled").is_dir() else folder
    for name in EXPERTS:
        if not (experts / name / "config.json").is_file() or not quantize.is_quantized(experts / name):
            raise WeightsError(f"{experts / name} is no 8-bit expert: choose a folder that `distill` exported.")
    return experts


def prepare(base: Path, high: Path, low: Path) -> Generator[Transfer, None, Path]:
    """Fuse a LoRA into each full expert of the pipeline in `base`, one after the other, and keep the 8-bit result.

    high, low: the LoRA of the high-noise and of the low-noise expert. Returns the folder of the experts, which is at
    hand at once where it was made before.

    Raises:
        WeightsError: a LoRA does not fit, the experts are 8-bit already, or there is no room to keep the result.
    """
    if any(quantize.is_quantized(base / part) for part in EXPERTS):
        raise WeightsError(f"The experts in {base} are 8-bit, and a LoRA is for full ones: choose a folder with those.")
    loras = {part: Lora(path, _shapes(base / part)) for part, path in zip(EXPERTS, (high, low), strict=True)}
    kept = home() / FOLDER / _name(base, high, low)
    if _whole(kept):
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    _sweep(kept.parent)
    _need_room(base, kept.parent)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=kept.parent))
    try:
        yield from _make(base, loras, scratch)
        digests = write_checksums(scratch)
        if not kept.is_dir():  # else another process was quicker
            scratch.rename(kept)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The student cannot be kept in {kept.parent} ({error}): free some disk there.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for name, known in digests.items():
        remember(kept / name, known)
    return kept


def _whole(kept: Path) -> bool:
    """Whether a result is there as it was made; one that is not is thrown away, for it can be made anew."""
    if not kept.is_dir():
        return False
    try:
        verify(kept)
    except WeightsError:
        shutil.rmtree(kept)
        return False
    return True


def _make(base: Path, loras: Mapping[str, Lora], folder: Path) -> Iterator[Transfer]:
    """One expert at a time, and of that one tensor at a time as float32."""
    files = {part: weight_files(base / part, STEM) for part in EXPERTS}
    pace, done = Pace("Preparing", sum(path.stat().st_size for part in EXPERTS for path in files[part])), 0
    for part, lora in loras.items():
        model = quantize.empty(base / part)
        if _shapes(base / part) != {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}:
            raise WeightsError(f"{base / part} does not hold the model of its config.json: choose a whole folder.")
        for name, tensor in _tensors(files[part]):
            quantize.fill(model, name, lora.fused(name, tensor))
            done += tensor.nbytes
            yield pace.at(done)
        quantize.save(model, folder / part)


def _tensors(files: list[Path]) -> Iterator[tuple[str, Tensor]]:
    for path in files:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                yield name, file.get_tensor(name)


def _shapes(part: Path) -> dict[str, tuple[int, ...]]:
    headers = [header(path) for path in weight_files(part, STEM)]
    return {name: tuple(tensor["shape"]) for tensors in headers for name, tensor in tensors.items()}


def _name(base: Path, high: Path, low: Path) -> str:
    """What the result follows from: the LoRAs' contents, and of each file of the experts its digest where a hub's cache
    names it so, else its size and time; to hash 114 GB for a name would take minutes."""
    parts: list[object] = [digest(high), digest(low)]
    for path in (path for part in EXPERTS for path in weight_files(base / part, STEM)):
        parts.append(blob_name(path) or [path.parent.name, path.name, path.stat().st_size, path.stat().st_mtime_ns])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _need_room(base: Path, folder: Path) -> None:
    """A byte for each weight of the blocks, two for the rest; the scales are far below a hundredth."""
    shapes = [item for part in EXPERTS for item in _shapes(base / part).items()]
    need = 1.01 * sum(math.prod(shape) * (1 if name.startswith("blocks.") else 2) for name, shape in shapes)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise WeightsError(
            f"The student needs {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {folder}:"
            " free some, or set WAN_DEMO_HOME to a folder on a larger disk."
        )


def _sweep(folder: Path) -> None:
    """Throw away what a killed process left; a younger folder may be another process's."""
    for left in folder.glob(f"{SCRATCH}*"):
        if time.time() - left.stat().st_mtime > STALE_S:
            shutil.rmtree(left, ignore_errors=True)
