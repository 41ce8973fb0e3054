"""What this machine remembers: how long each stage took, which clips it made, large files' digests, and what prompts
read as, in one SQLite file."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any

KEYS = "keys"  # the folder of the operator's keys, in home()
RECENT = 5  # runs that an expectation is the median of
ROOM = 1 << 28  # bytes of embeddings that are kept; those that were not used for the longest time go

_SECONDS = """CREATE TABLE IF NOT EXISTS seconds (
    run INTEGER, family TEXT, tier TEXT, mode TEXT, device TEXT, stage TEXT, seconds REAL)"""
_LOANS = """CREATE TABLE IF NOT EXISTS loans (
    run INTEGER PRIMARY KEY, family TEXT, tier TEXT, mode TEXT, work REAL, seconds REAL, before REAL)"""
_FINGERPRINTS = "CREATE TABLE IF NOT EXISTS small_pictures (mark TEXT PRIMARY KEY, fingerprint BLOB)"
_CLIPS = "CREATE TABLE IF NOT EXISTS clips (mark TEXT PRIMARY KEY, sha256 TEXT, report TEXT)"
_DIGESTS = "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, digest TEXT)"
_DIGEST = "SELECT digest FROM digests WHERE path=? AND size=? AND mtime_ns=?"
_PROMPTS = "CREATE TABLE IF NOT EXISTS prompts (key TEXT PRIMARY KEY, made BLOB, sha256 TEXT, used REAL)"
_LEAST_USED = """DELETE FROM prompts WHERE key IN (SELECT key FROM (
    SELECT key, SUM(LENGTH(made)) OVER (ORDER BY used DESC) AS room FROM prompts) WHERE room > ?)"""
_RECENT_RUNS = """SELECT stage, seconds FROM seconds
    WHERE family=? AND tier=? AND mode=? AND device=? AND run IN (
        SELECT DISTINCT run FROM seconds WHERE family=? AND tier=? AND mode=? AND device=? ORDER BY run DESC LIMIT ?)"""


def home() -> Path:
    """The folder for what outlives a run: $WAN_DEMO_HOME, or wan_demo in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WAN_DEMO_HOME") or Path(cache) / "wan_demo")


class Memory:
    """A help, not a need: where the file cannot be written or read, nothing is remembered and nothing fails."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "store.sqlite3"


class Timings(Memory):
    """Seconds a stage by family, tier, workload (see `worker.timed_as`) and device."""

    def record(self, key: tuple[str, str, str, str], seconds: Mapping[str, float]) -> None:
        """Remember a run. key: family, tier, workload, device."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _SECONDS) as db:
            (run,) = db.execute("SELECT COALESCE(MAX(run), 0) + 1 FROM seconds").fetchone()
            rows = [(run, *key, stage, value) for stage, value in seconds.items()]
            db.executemany("INSERT INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def expected(self, key: tuple[str, str, str, str]) -> dict[str, float]:
        """Median seconds a stage, `total` too, of the last runs; {} when there was none."""
        by_stage: dict[str, list[float]] = {}
        with suppress(OSError, sqlite3.Error), _opened(self.path, _SECONDS) as db:
            for stage, value in db.execute(_RECENT_RUNS, (*key, *key, RECENT)):
                by_stage.setdefault(stage, []).append(value)
        return {stage: sorted(values)[len(values) // 2] for stage, values in by_stage.items()}


class Loans(Memory):
    """How long a lent GPU took, by family, tier and workload."""

    def record(self, key: tuple[str, str, str], work: float, seconds: float, before: float) -> None:
        """Remember a clip: its floating-point operations, its seconds, and those until it could begin."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _LOANS) as db:
            row = (*key, work, seconds, before)
            db.execute("INSERT INTO loans (family, tier, mode, work, seconds, before) VALUES (?, ?, ?, ?, ?, ?)", row)

    def expected(self, key: tuple[str, str, str], work: float) -> float | None:
        """Seconds for so much work at the slowest pace of the last clips, after the longest start; None before one."""
        chosen = "FROM loans WHERE family=? AND tier=? AND mode=?"
        with suppress(OSError, sqlite3.Error), _opened(self.path, _LOANS) as db:
            (before,) = db.execute(f"SELECT MAX(before) {chosen}", key).fetchone()
            recent = f"SELECT seconds / work AS pace {chosen} ORDER BY run DESC LIMIT ?"
            (pace,) = db.execute(f"SELECT MAX(pace) FROM ({recent})", (*key, RECENT)).fetchone()
            return None if pace is None else float(before + pace * work)
        return None


class Records(Memory):
    """The reports of published clips, by their mark, so that a file which lost its own words can be told of."""

    def record(self, mark: str, file: Path, report: Mapping[str, Any], fingerprint: bytes = b"") -> None:
        """Remember what `file` is and shows; a clip made again takes the older one's place."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _CLIPS) as db, file.open("rb") as video:
            row = (mark, hashlib.file_digest(video, "sha256").hexdigest(), json.dumps(report))
            db.execute("INSERT OR REPLACE INTO clips VALUES (?, ?, ?)", row)
        with suppress(OSError, sqlite3.Error), _opened(self.path, _FINGERPRINTS) as db:
            db.execute("INSERT OR REPLACE INTO small_pictures VALUES (?, ?)", (mark, fingerprint))

    def find(self, mark: str) -> dict[str, Any] | None:
        """The report of the clip with this mark."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _CLIPS) as db:
            row = db.execute("SELECT sha256, report FROM clips WHERE mark=?", (mark,)).fetchone()
            return {"sha256": row[0], **json.loads(row[1])} if row else None
        return None

    def fingerprint(self, mark: str) -> bytes | None:
        """What the clip with this mark shows (see provenance.fingerprint)."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _FINGERPRINTS) as db:
            row = db.execute("SELECT fingerprint FROM small_pictures WHERE mark=?", (mark,)).fetchone()
            return bytes(row[0]) if row else None
        return None


class Digests(Memory):
    """What large files hashed to, so that 126 GB are not read again at each start; a changed file is not known."""

    def record(self, file: Path, digest: str) -> None:
        """Remember the digest of `file` as it is now."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _DIGESTS) as db:
            db.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", (*_state(file), digest))

    def find(self, file: Path) -> str | None:
        """The digest of `file`, if neither its size nor its time has changed since."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _DIGESTS) as db:
            row = db.execute(_DIGEST, _state(file)).fetchone()
            return str(row[0]) if row else None
        return None


class Prompts(Memory):
    """What a text encoder made of prompts: bytes by a key that names the encoder too. ROOM bytes are kept."""

    def record(self, key: str, made: bytes) -> None:
        with suppress(OSError, sqlite3.Error), _opened(self.path, _PROMPTS) as db:
            row = (key, made, hashlib.sha256(made).hexdigest(), time())
            db.execute("INSERT OR REPLACE INTO prompts VALUES (?, ?, ?, ?)", row)
            db.execute(_LEAST_USED, (ROOM,))

    def find(self, key: str) -> bytes | None:
        """What was recorded, if it is still what it was."""
        with suppress(OSError, sqlite3.Error), _opened(self.path, _PROMPTS) as db:
            row = db.execute("SELECT made, sha256 FROM prompts WHERE key=?", (key,)).fetchone()
            if row and hashlib.sha256(row[0]).hexdigest() == row[1]:
                db.execute("UPDATE prompts SET used=? WHERE key=?", (time(), key))
                return bytes(row[0])
        return None


def _state(file: Path) -> tuple[str, int, int]:
    found = file.resolve().stat()
    return str(file.resolve()), found.st_size, found.st_mtime_ns


@contextmanager
def _opened(path: Path, table: str) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=10)) as db, db:
        db.execute(table)
        yield db
