"""Setup -> presets whose weights are here: shipped, in a folder, in the hub's cache, or downloaded now."""

import sys
from collections.abc import Generator
from typing import cast

from tqdm import tqdm

from wan_demo import hub
from wan_demo.events import Transfer
from wan_demo.presets import Preset, tiers
from wan_demo.setup import Setup


def locate(setup: Setup) -> Generator[Transfer, None, tuple[Preset, ...]]:
    """The tiers of the family that can be loaded, in the table's order. Yields what is downloaded or made meanwhile.

    A family that is fetched has a distilled tier only where there is a student for it.

    Raises:
        WeightsError: something is missing, damaged, or cannot be fetched.
    """
    rows = tiers(setup.family)
    if not rows[0].source:
        return tuple(row if setup.weights is None else row.at(setup.weights) for row in rows)
    if setup.weights is not None:
        folder = setup.weights
        yield from hub.check(folder)
    else:
        source = hub.Source(*rows[0].source.split("@"))
        folder = yield from hub.fetch(source, hub.Place(offline=True) if setup.offline else None)
    full, distilled = rows
    if setup.loras is None and setup.student is None and not (folder / distilled.tier).is_dir():
        return (full.at(folder),)
    from wan_demo import student  # heavy

    if setup.loras is not None:
        experts = yield from student.prepare(folder, *setup.loras)
    else:
        experts = student.exported(setup.student or folder)
    return full.at(folder), distilled.at(folder, experts)


def at_hand(setup: Setup) -> tuple[Preset, ...]:
    """What `locate` gives, with its progress in the terminal, and before a download its size and the free disk.

    Raises:
        WeightsError: as `locate`.
    """
    source = tiers(setup.family)[0].source
    if source and setup.weights is None and not setup.offline:
        print(f"{source}: {hub.survey(hub.Source(*source.split('@')))}", file=sys.stderr)
    moves, bar, what = locate(setup), None, ""
    while True:
        try:
            move = next(moves)
        except StopIteration as done:
            if bar is not None:
                bar.close()
            return cast(tuple[Preset, ...], done.value)
        if bar is None or move.what != what:
            bar, what = tqdm(total=move.total, unit="B", unit_scale=True, desc=move.what), move.what
        bar.update(move.done - bar.n)
