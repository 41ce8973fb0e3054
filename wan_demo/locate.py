"""Setup -> presets whose weights are here: shipped, in a folder, in the hub's cache, or downloaded now."""

from collections.abc import Generator

from wan_demo import hub
from wan_demo.events import Transfer
from wan_demo.presets import PRESETS, Preset
from wan_demo.setup import Setup


def locate(setup: Setup) -> Generator[Transfer, None, tuple[Preset, ...]]:
    """The tiers of the family that can be loaded, in the table's order. Yields what is downloaded or made meanwhile.

    A family that is fetched has a distilled tier only where there is a student for it.

    Raises:
        WeightsError: something is missing, damaged, or cannot be fetched.
    """
    tiers = [preset for preset in PRESETS if preset.family == setup.family]
    if not tiers[0].source:
        return tuple(tier if setup.weights is None else tier.at(setup.weights) for tier in tiers)
    if setup.weights is not None:
        folder = setup.weights
        yield from hub.check(folder)
    else:
        source = hub.Source(*tiers[0].source.split("@"))
        folder = yield from hub.fetch(source, hub.Place(offline=True) if setup.offline else None)
    full, distilled = tiers
    if setup.loras is None and setup.student is None and not (folder / distilled.tier).is_dir():
        return (full.at(folder),)
    from wan_demo import student  # heavy

    if setup.loras is not None:
        experts = yield from student.prepare(folder, *setup.loras)
    else:
        experts = student.exported(setup.student or folder)
    return full.at(folder), distilled.at(folder, experts)


def cost(setup: Setup) -> str:
    """A sentence about what `locate` would download; "" where it downloads nothing.

    Raises:
        WeightsError: it cannot be told, since the hub cannot be reached.
    """
    source = next(preset.source for preset in PRESETS if preset.family == setup.family)
    if not source or setup.weights is not None or setup.offline:
        return ""
    survey = hub.survey(hub.Source(*source.split("@")))
    return f"{source}: {survey}" if survey.missing else ""
