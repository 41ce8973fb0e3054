"""Weights from the Hugging Face hub: what a download costs, the download, and the check of what is there.

The files lie in huggingface_hub's own cache, so that whatever else uses it finds them.
"""

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._paths import filter_repo_objects

from wan_demo.clock import Pace
from wan_demo.download import Place, Source, bring, here, in_a_sentence, silent_bar
from wan_demo.events import Transfer
from wan_demo.integrity import EXPERTS, MODEL, IncompleteError, WeightsError, check_blobs, inspect
from wan_demo.wan22 import SOURCE

__all__ = ["WAN22", "Place", "Source", "Survey", "cached", "check", "fetch", "survey"]

WAN22 = Source.named(SOURCE)
OF_EXPERTS = [f"{part}/*" for part in EXPERTS]
WANTED = ["model_index.json", "*/*.json", "*/*.safetensors", "tokenizer/*.model", "tokenizer/*.txt"]


@dataclass(frozen=True)
class Survey:
    """Bytes that a source has, bytes that are not here yet, bytes free on the disk of the cache."""

    total: int
    missing: int
    free: int
    cache: Path

    def __str__(self) -> str:
        have = f"{self.missing / 1e9:.1f} GB to download" if self.missing else "all here"
        return f"{self.total / 1e9:.1f} GB, {have}, {self.free / 1e9:.1f} GB free in {self.cache}"


def survey(source: Source = WAN22, place: Place | None = None) -> Survey:
    """What a download would cost. Asks the hub, unless all is here already.

    Raises:
        WeightsError: the hub cannot be reached, has no such files, or does not let us have them.
    """
    place = place or Place()
    folder = cached(source, place)
    if folder is None:
        return _cost(source, place, _listing(source, place))
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    wanted = _wanted(source, names, str)
    total = sum((folder / name).stat().st_size for name in wanted)
    return Survey(total, 0, _free(place.folder), place.folder)


def fetch(source: Source = WAN22, place: Place | None = None) -> Generator[Transfer, None, Path]:
    """Download what is missing, and return the folder, checked. Close the generator to stop; the next goes on there.

    Raises:
        WeightsError: there is no room, no network, no such files, no right to them, or they are damaged.
    """
    place = place or Place()
    folder = cached(source, place)
    if folder is None:
        files = _listing(source, place)
        cost = _cost(source, place, files)
        if cost.missing > cost.free:
            raise WeightsError(
                f"{source.repo} needs {cost.missing / 1e9:.1f} GB more, and {cost.free / 1e9:.1f} GB are free in"
                f" {cost.cache}: free some, or set HF_HOME to a folder on a larger disk."
            )
        with in_a_sentence(source, place):
            yield from bring(source, place, files)
            folder = Path(_snapshot(source, place, offline=False))
    yield from check(folder, source.experts)
    return folder


def check(folder: Path, experts: bool = True) -> Iterator[Transfer]:
    """Inspect a folder of weights, and hash the files that come from a hub's cache if they were not hashed before.

    experts: whether they are needed.

    Raises:
        WeightsError: it is not a whole Wan2.2 pipeline.
    """
    inspect(folder, experts)
    pace = None
    for done, total in check_blobs(folder, experts):
        pace = pace or Pace("Checking", total)
        yield pace.at(done)


def cached(source: Source = WAN22, place: Place | None = None) -> Path | None:
    """The source's folder in the cache, or None where it is not whole. Asks nobody.

    Raises:
        WeightsError: it is whole, but is not a Wan2.2 pipeline, or a file is cut short.
    """
    try:
        folder = Path(_snapshot(source, place or Place(), offline=True))
        inspect(folder, source.experts)
    except (LocalEntryNotFoundError, IncompleteError):
        return None
    except HFValidationError:
        raise WeightsError(f"{source.repo!r} cannot be the name of a repository: write owner/name.") from None
    return folder


def _snapshot(source: Source, place: Place, offline: bool) -> str:
    """Have the library link the blobs that are there and fetch the small ones that are not."""
    return snapshot_download(
        source.repo,
        revision=source.revision,
        cache_dir=place.folder,
        endpoint=place.endpoint,
        allow_patterns=WANTED,
        ignore_patterns=_unwanted(source),
        local_files_only=offline,
        tqdm_class=silent_bar(),
    )


def _listing(source: Source, place: Place) -> list[RepoFile]:
    """The files to have. One of them is asked for first: a gated repository lists what it does not give."""
    if place.is_offline:
        raise WeightsError(
            f"{source.repo} is not whole in {place.folder}, and this machine is told to work offline:"
            " start once without HF_HUB_OFFLINE and --offline to download it, or choose a folder that has it."
        )
    with in_a_sentence(source, place):
        url = hf_hub_url(source.repo, "model_index.json", revision=source.revision, endpoint=place.endpoint)
        get_hf_file_metadata(url, endpoint=place.endpoint)
        entries = HfApi(place.endpoint).list_repo_tree(source.repo, recursive=True, revision=source.revision)
        files = [entry for entry in entries if isinstance(entry, RepoFile)]
    wanted = list(_wanted(source, files, lambda file: file.path))
    if not any(file.path.endswith(".safetensors") for file in wanted):
        raise WeightsError(f"{source.repo} has no safetensors files, and nothing else is opened: choose {MODEL}.")
    return wanted


def _unwanted(source: Source) -> list[str]:
    return [] if source.experts else OF_EXPERTS


def _wanted(source: Source, files: Iterable[Any], path: Callable[[Any], str]) -> Iterable[Any]:
    return filter_repo_objects(files, allow_patterns=WANTED, ignore_patterns=_unwanted(source), key=path)


def _cost(source: Source, place: Place, files: list[RepoFile]) -> Survey:
    total = sum(file.size for file in files)
    present = sum(here(source, place, file) for file in files)
    return Survey(total, total - present, _free(place.folder), place.folder)


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
