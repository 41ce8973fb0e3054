"""Setup -> presets whose weights are here: shipped, in a folder, in the hub's cache, or downloaded now."""

import sys
from collections.abc import Generator
from dataclasses import replace
from typing import cast

from tqdm import tqdm

from wan_demo import hub
from wan_demo.events import Transfer
from wan_demo.presets import Preset, tiers, usable
from wan_demo.setup import Setup


def locate(setup: Setup) -> Generator[Transfer, None, tuple[Preset, ...]]:
    """The tiers of the family that can be loaded, in the table's order. Yields what is downloaded or made meanwhile.

    There is a distilled tier only where there is a student for it. With a student that brings its own experts, the full
    ones are not downloaded, and there is a full tier only where they are here anyway.

    Raises:
        WeightsError: something is missing, damaged, or cannot be fetched.
    """
    rows = tiers(setup.family, setup.weights)
    if not rows[0].source:
        return usable(rows)
    full, distilled = rows
    folder, whole = setup.weights, True
    if folder is not None:
        whole = setup.student is None or any((folder / "transformer").glob("*.safetensors"))
        yield from hub.check(folder, whole)
    else:
        source = _source(setup)
        whole, place = source.experts, hub.Place(offline=True) if setup.offline else None
        folder = yield from hub.fetch(source, place)
    found = (full.at(folder),) if whole else ()
    if setup.loras is None and setup.student is None and not (folder / distilled.tier).is_dir():
        return found
    from wan_demo import student  # heavy

    if setup.loras is not None:
        experts = yield from student.prepare(folder, *setup.loras)
    else:
        experts = student.exported(setup.student or folder)
    return (*found, distilled.at(folder, experts))


def _source(setup: Setup) -> hub.Source:
    """What is fetched: with a student's own experts, the full ones only if they are here already."""
    whole = hub.Source.named(tiers(setup.family)[0].source)
    if setup.student is None or hub.cached(whole) is not None:
        return whole
    return replace(whole, experts=False)


def at_hand(setup: Setup) -> tuple[Preset, ...]:
    """What `locate` gives, with its progress in the terminal, and before a download its size and the free disk.

    Raises:
        WeightsError: as `locate`.
    """
    if tiers(setup.family)[0].source and setup.weights is None and not setup.offline:
        source = _source(setup)
        print(f"{source.repo}: {hub.survey(source)}", file=sys.stderr)
    moves, bar, what = locate(setup), None, ""
    while True:
        try:
            move = next(moves)
        except StopIteration as done:
            if bar is not None:
                bar.close()
            return tuple(replace(preset, tricks=setup.tricks) for preset in cast(tuple[Preset, ...], done.value))
        if bar is None or move.what != what:
            bar, what = tqdm(total=move.total, unit="B", unit_scale=True, desc=move.what), move.what
        bar.update(move.done - bar.n)
