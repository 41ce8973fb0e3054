"""What this machine remembers: how long each stage took, in one SQLite file."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

RECENT = 5  # runs that an expectation is the median of

_TABLE = """CREATE TABLE IF NOT EXISTS seconds (
    run INTEGER, family TEXT, tier TEXT, mode TEXT, device TEXT, stage TEXT, seconds REAL)"""
_RECENT_RUNS = """SELECT stage, seconds FROM seconds
    WHERE family=? AND tier=? AND mode=? AND device=? AND run IN (
        SELECT DISTINCT run FROM seconds WHERE family=? AND tier=? AND mode=? AND device=? ORDER BY run DESC LIMIT ?)"""


def home() -> Path:
    """The folder for what outlives a run: $WAN_DEMO_HOME, or wan_demo in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WAN_DEMO_HOME") or Path(cache) / "wan_demo")


class Timings:
    """Seconds a stage by family, tier, mode and device.

    A help, not a need: where the file cannot be written or read, nothing is remembered and nothing fails.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "store.sqlite3"

    def record(self, key: tuple[str, str, str, str], seconds: Mapping[str, float]) -> None:
        """Remember a run. key: family, tier, mode, device."""
        with suppress(OSError, sqlite3.Error), self._open() as db:
            (run,) = db.execute("SELECT COALESCE(MAX(run), 0) + 1 FROM seconds").fetchone()
            rows = [(run, *key, stage, value) for stage, value in seconds.items()]
            db.executemany("INSERT INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def expected(self, key: tuple[str, str, str, str]) -> dict[str, float]:
        """Median seconds a stage, `total` too, of the last runs; {} when there was none."""
        by_stage: dict[str, list[float]] = {}
        with suppress(OSError, sqlite3.Error), self._open() as db:
            for stage, value in db.execute(_RECENT_RUNS, (*key, *key, RECENT)):
                by_stage.setdefault(stage, []).append(value)
        return {stage: sorted(values)[len(values) // 2] for stage, values in by_stage.items()}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=10)) as db, db:
            db.execute(_TABLE)
            yield db
