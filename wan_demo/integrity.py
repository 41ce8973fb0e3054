"""Whether weights are what they should be, told from the files alone; no model code is needed for it.

Shipped and exported folders list their files' SHA-256 in checksums.json. A folder from the hub has no such list: it is
held against the layout of a Wan2.2 pipeline, each safetensors file against its own header, and each file of a hub's
cache against its name there, which is its SHA-256 (Git LFS) or its git blob id.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wan_demo.presets import REPAIR
from wan_demo.store import Digests
from wan_demo.wan22 import SOURCE

CHECKSUMS = "checksums.json"
MODEL = SOURCE.partition("@")[0]
STEM = "diffusion_pytorch_model"  # of a diffusers part's weights files
EXPERTS = ("transformer", "transformer_2")
CLASSES = {
    "text_encoder": "UMT5EncoderModel",
    "transformer": "WanTransformer3DModel",
    "transformer_2": "WanTransformer3DModel",
    "vae": "AutoencoderKLWan",
}
NEEDED = ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
PIECE = 1 << 25  # bytes that are hashed at a time
REMEMBERED = 1 << 26  # bytes from which on a digest is remembered: smaller files are hashed at each start


class WeightsError(RuntimeError):
    """A weights file is missing or damaged. The message names the file and says what to do."""


class IncompleteError(WeightsError):
    """What is there may be right, but something is missing; a download may bring it."""


def verify(folder: Path, repair: str = REPAIR) -> None:
    """Compare every file of a weights folder with its published SHA-256. repair: what to do where one is not right.

    Raises:
        WeightsError: one is missing or differs.
    """
    listing = folder / CHECKSUMS
    if not listing.is_file():
        raise WeightsError(f"The weights file {listing} is missing: {repair}.")
    for name, published in _read_json(listing).items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"The weights file {path} is missing: {repair}.")
        if digest(path) != published:
            raise WeightsError(f"The weights file {path} is damaged: {repair}.")


def write_checksums(folder: Path) -> dict[str, str]:
    """Publish the present files of a weights folder as the right ones, and return {name: SHA-256}."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    digests = {name: digest(folder / name) for name in names}
    (folder / CHECKSUMS).write_text(json.dumps(digests, indent=2) + "\n")
    return digests


def inspect(folder: Path, experts: bool = True) -> None:
    """Hold a folder against the layout of a Wan2.2 pipeline, reading no more of the weights than their headers.

    experts: False where a student brings its own; the pipeline must have two all the same.

    Raises:
        IncompleteError: a file is missing.
        WeightsError: it is another model, holds pickle files instead, or a file is cut short or damaged.
    """
    index = _read_json(folder / "model_index.json")
    if index.get("_class_name") != "WanPipeline":
        raise WeightsError(f"{folder} holds a {index.get('_class_name')}, not a WanPipeline: choose {MODEL}.")
    classes = {name: entry[-1] for name, entry in index.items() if isinstance(entry, list) and entry}
    if not all(classes.get(name) for name in EXPERTS):
        raise WeightsError(f"{folder} holds one expert, as Wan2.1 and the 5B model do: choose {MODEL}.")
    for part, wanted in CLASSES.items():
        found = classes.get(part)
        if found != wanted:
            raise WeightsError(f"{folder} has {found} where {wanted} should be ({part}): choose {MODEL}.")
        if part in EXPERTS and not experts:
            continue
        _read_json(folder / part / "config.json")
        for path in weight_files(folder / part, "model" if part == "text_encoder" else STEM):
            header(path)
    for name in NEEDED:
        _read_json(folder / name)
    if not any((folder / "tokenizer" / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise IncompleteError(f"{folder / 'tokenizer' / 'tokenizer.json'} is missing: {_again()}.")


def weight_files(part: Path, stem: str = STEM) -> list[Path]:
    """One part's safetensors: a single file, or the shards that its index names.

    Raises:
        IncompleteError: there are none, or one is missing.
        WeightsError: there are pickle files instead, or a shard is not what the index says.
    """
    single, listing = part / f"{stem}.safetensors", part / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if not listing.is_file():
        pickles = sorted(path.name for path in part.glob("*") if path.suffix in PICKLES)
        if pickles:
            raise WeightsError(
                f"{part} holds pickle files only ({pickles[0]}), which can run any program when they are opened:"
                f" only safetensors is opened, so choose a folder that has {single.name}."
            )
        raise IncompleteError(f"{single} (or its shards and their index) is missing: {_again()}.")
    shard_of = _read_json(listing).get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise WeightsError(f"{listing} names no weights: {_again(listing)}.")
    shards = [part / name for name in sorted(set(shard_of.values()))]
    for shard in shards:
        if not shard.is_file():
            raise IncompleteError(f"{shard} is missing, which {listing.name} names: {_again()}.")
        absent = {name for name, file in shard_of.items() if file == shard.name} - header(shard).keys()
        if absent:
            raise WeightsError(f"{shard} lacks {min(absent)}, which {listing.name} names: {_again(part)}.")
    return shards


def header(path: Path) -> dict[str, Any]:
    """{tensor: {dtype, shape, data_offsets}} of a safetensors file whose size is what its header says.

    Raises:
        WeightsError: it is cut short, or not such a file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if 8 + length > size:
            raise WeightsError(f"The weights file {path} is cut short, or no safetensors file: {_again(path)}.")
        try:
            tensors = json.loads(file.read(length))
            tensors.pop("__metadata__", None)
            end = 8 + length + max(tensor["data_offsets"][1] for tensor in tensors.values())
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise WeightsError(f"The weights file {path} is damaged: {_again(path)}.") from None
    if end != size:
        raise WeightsError(
            f"The weights file {path} is {'cut short' if size < end else 'too long'}:"
            f" it has {size:,} of {end:,} bytes; {_again(path)}."
        )
    return dict(tensors)


def check_blobs(folder: Path, experts: bool = True) -> Iterator[tuple[int, int]]:
    """Hash the files that are links into a hub's cache, and compare with the names that they have there.

    A large file is hashed once, and again only when its size or its time changes. Yields (bytes hashed, bytes to hash).
    experts: whether theirs count.

    Raises:
        WeightsError: one is damaged.
    """
    paths = (path for path in sorted(folder.rglob("*")) if experts or path.relative_to(folder).parts[0] not in EXPERTS)
    names = {path: name for path in paths if (name := blob_name(path))}
    found = {path: _known(path) for path in names}
    done, total = 0, sum(path.stat().st_size for path in names if found[path] is None)
    for path, name in names.items():
        hashed = found[path]
        if hashed is None:
            for hashed, read in hashing(path, name):  # noqa: B007 - after the last piece it is the file's
                yield done + read, total
            done += path.stat().st_size
        if hashed != name:
            raise WeightsError(f"The weights file {path} is damaged: {_again(path)}.")
        remember(path, name)


def blob_name(path: Path) -> str | None:
    """What a file in a hub's cache must hash to, or None for any other file. One hop: the cache may share its blobs."""
    if not path.is_symlink() or not path.is_file():
        return None
    target = Path(os.readlink(path))
    named = target.parent.name == "blobs" and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", target.name)
    return target.name if named else None


def contents(*folders: Path) -> str:
    """One digest of all that these folders hold. A file of a hub's cache is not read: its name there was checked."""
    parts = [
        (folder.name, path.relative_to(folder).as_posix(), blob_name(path) or digest(path))
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def digest(path: Path) -> str:
    """A file's SHA-256; a large file's is remembered."""
    known = _known(path)
    if known is None:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest()
        remember(path, known)
    return known


def hashing(path: Path, name: str) -> Iterator[tuple[str, int]]:
    """(digest, bytes) of what was read so far, after each piece; the kind of digest that `name` is."""
    state = hashlib.sha256()
    if len(name) == 40:  # git's own: a header before the content
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    read = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            state.update(piece)
            read += len(piece)
            yield "", read
    yield state.hexdigest(), read


def remember(path: Path, known: str) -> None:
    """Do not hash this file again, if it is a large one."""
    if path.stat().st_size >= REMEMBERED:
        Digests().record(path, known)


def _known(path: Path) -> str | None:
    return Digests().find(path) if path.stat().st_size >= REMEMBERED else None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise IncompleteError(f"{path} is missing: {_again()}.")
    try:
        content = json.loads(path.read_text())
    except ValueError:
        raise WeightsError(f"{path} is damaged: {_again(path)}.") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is damaged: {_again(path)}.")
    return content


def _again(path: Path | None = None) -> str:
    """What to do. Of a file in a hub's cache, what the link leads to has to go, else the cache links it again."""
    if path is None:
        return f"choose a whole folder in the layout of {MODEL}, or download it again"
    return f"delete {path.resolve()} and download it again, or copy it again"
