"""What this machine remembers: how long each stage took, in one SQLite file."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

RECENT = 5  # runs that an expectation is the median of

_TABLE = """CREATE TABLE IF NOT EXISTS seconds (
    run INTEGER, family TEXT, tier TEXT, mode TEXT, device TEXT, stage TEXT, seconds REAL)"""


def home() -> Path:
    """The folder for what outlives a run: $WAN_DEMO_HOME, or wan_demo in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WAN_DEMO_HOME") or Path(cache) / "wan_demo")


class Timings:
    """Seconds a stage by family, tier, mode and device.

    Raises:
        OSError, sqlite3.Error: the file cannot be made or read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "store.sqlite3"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as db, db:
            db.execute(_TABLE)

    def record(self, key: tuple[str, str, str, str], seconds: Mapping[str, float]) -> None:
        """Remember a run. key: family, tier, mode, device."""
        with closing(self._connect()) as db, db:
            (run,) = db.execute("SELECT COALESCE(MAX(run), 0) + 1 FROM seconds").fetchone()
            rows = [(run, *key, stage, value) for stage, value in seconds.items()]
            db.executemany("INSERT INTO seconds VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def expected(self, key: tuple[str, str, str, str]) -> dict[str, float]:
        """Median seconds a stage, `total` too, of the last runs; {} when there was none."""
        with closing(self._connect()) as db:
            rows = db.execute(
                "SELECT stage, seconds FROM seconds WHERE family=? AND tier=? AND mode=? AND device=? AND run IN"
                " (SELECT DISTINCT run FROM seconds WHERE family=? AND tier=? AND mode=? AND device=?"
                "  ORDER BY run DESC LIMIT ?)",
                (*key, *key, RECENT),
            ).fetchall()
        by_stage: dict[str, list[float]] = {}
        for stage, value in rows:
            by_stage.setdefault(stage, []).append(value)
        return {stage: sorted(values)[len(values) // 2] for stage, values in by_stage.items()}

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10)
