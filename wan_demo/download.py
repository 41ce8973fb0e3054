"""Brings files of a Hugging Face repository into huggingface_hub's own cache, from where an earlier try stopped.

The library throws away a file whose download was interrupted, and these files have up to 10 GB. So the large ones are
fetched into <digest>.part beside its blobs and get their name when they are whole and hash to it.
"""

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._fixes import WeakFileLock
from huggingface_hub.utils._headers import build_hf_headers
from tqdm import tqdm

from wan_demo.clock import Pace
from wan_demo.events import Transfer
from wan_demo.integrity import MODEL, WeightsError, hashing, remember

FILES_AT_ONCE = 8
POLL_S = 0.5


@dataclass(frozen=True)
class Source:
    """A repository of the hub, at one revision. experts: False for a student that brings its own."""

    repo: str
    revision: str
    experts: bool = True

    @classmethod
    def named(cls, name: str) -> "Source":
        """Of REPOSITORY@REVISION."""
        repo, _, revision = name.partition("@")
        return cls(repo, revision)


@dataclass(frozen=True)
class Place:
    """Where the hub is and where its files go; None: as HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE say."""

    cache: Path | None = None
    endpoint: str | None = None
    offline: bool | None = None

    @property
    def folder(self) -> Path:
        return Path(self.cache or constants.HF_HUB_CACHE).expanduser().resolve()

    @property
    def host(self) -> str:
        return self.endpoint or constants.ENDPOINT

    @property
    def is_offline(self) -> bool:
        return constants.is_offline_mode() if self.offline is None else self.offline


def here(source: Source, place: Place, file: RepoFile) -> int:
    """Bytes of a file that are in the cache already."""
    blob = _blob(source, place, file)
    if _size(blob) == file.size:
        return file.size
    return min(_size(_part(blob)), file.size)


def bring(source: Source, place: Place, files: list[RepoFile]) -> Iterator[Transfer]:
    """Bring the large files, several at a time. What is on the disk tells how far it is.

    Raises:
        WeightsError: a file arrived damaged.
    """
    large = [file for file in files if file.lfs]

    def done() -> int:
        return sum(here(source, place, file) for file in large)

    pace = Pace("Downloading", sum(file.size for file in large), done())
    yield pace.at(pace.start)
    stop = threading.Event()
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        jobs = [pool.submit(_bring_one, source, place, file, stop) for file in large]
        try:
            waiting: Any = jobs
            while waiting:
                ended, waiting = wait(jobs, POLL_S, FIRST_EXCEPTION)
                for job in ended:
                    job.result()
                yield pace.at(done())
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _bring_one(source: Source, place: Place, file: RepoFile, stop: threading.Event) -> None:
    blob = _blob(source, place, file)
    part, locks = _part(blob), place.folder / ".locks" / blob.parent.parent.name
    for folder in (blob.parent, locks):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(locks / f"{blob.name}.lock"):
        if _size(blob) == file.size:  # another process has brought it
            return
        if _size(part) > file.size:
            part.unlink()
        with part.open("ab") as target:
            http_get(
                hf_hub_url(source.repo, file.path, revision=source.revision, endpoint=place.endpoint),
                target,
                resume_size=_size(part),
                headers=build_hf_headers() | {"Accept-Encoding": "identity"},  # a packed answer has no ranges
                expected_size=file.size,
                tqdm_class=silent_bar(stop),
            )
        digest = ""
        for digest, _ in hashing(part, blob.name):  # noqa: B007 - after the last piece it is the file's
            if stop.is_set():
                raise _StoppedError
        if digest != blob.name:
            part.unlink()
            raise WeightsError(f"{file.path} of {source.repo} arrived damaged and was thrown away: start again.")
        part.replace(blob)
        remember(blob, blob.name)


def _blob(source: Source, place: Place, file: RepoFile) -> Path:
    """Where the cache keeps a file: under its SHA-256 if it is a large one, else under its git blob id."""
    name = file.lfs.sha256 if file.lfs else file.blob_id
    return place.folder / repo_folder_name(repo_id=source.repo, repo_type="model") / "blobs" / name


def _part(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.part")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _StoppedError(Exception):
    """Leaves a download that is not wanted any more."""


def silent_bar(stop: threading.Event | None = None) -> type[Any]:
    """A class of progress bars that show nothing, and end the download when it is time."""

    class Bar(tqdm):  # type: ignore[misc] # tqdm has no types
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if stop and stop.is_set():
                raise _StoppedError

    return Bar


@contextmanager
def in_a_sentence(source: Source, place: Place) -> Iterator[None]:
    """Tell what went wrong between us, the hub and the disk in one sentence.

    Raises:
        WeightsError: with that sentence.
    """
    try:
        yield
    except HfHubHTTPError as error:
        raise WeightsError(_refusal(error, source, place)) from error
    except (httpx2.HTTPError, HFValidationError, JSONDecodeError, OSError) as error:
        raise WeightsError(_trouble(error, source, place)) from error


def _refusal(error: HfHubHTTPError, source: Source, place: Place) -> str:
    """What the hub's answer means."""
    repo, page = source.repo, f"{place.host}/{source.repo}"
    if isinstance(error, GatedRepoError):
        return f"{repo} is gated: accept its terms at {page}, run `hf auth login`, and start again."
    if isinstance(error, RevisionNotFoundError):
        return f"{repo} has no revision {source.revision}: choose one of {page}/commits/main."
    if isinstance(error, RemoteEntryNotFoundError):
        return f"{repo} has no {str(error.response.url).split('/')[-1]} as a diffusers pipeline has: choose {MODEL}."
    if isinstance(error, RepositoryNotFoundError) or error.response.status_code in {401, 403}:
        return f"{place.host} has no {repo}, or keeps it private: check the name, or run `hf auth login`."
    return _trouble(error, source, place)


def _trouble(error: Exception, source: Source, place: Place) -> str:
    """What is wrong with the disk or the network."""
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ConnectionError) else None
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"The disk of {place.folder} is full: free some, or set HF_HOME to a folder on a larger disk, and start"
            " again; what is here already is kept."
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if number is not None:
        return f"{place.folder} cannot be written ({reason}): mend that, or set HF_HOME to another folder."
    return (
        f"{source.repo} cannot be fetched from {place.host} ({reason}): check the network and start again;"
        " what is here already is kept."
    )
