"""Work on one thing while the next is made."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterable[Item], room: int = 2) -> Iterator[Item]:
    """The same items, up to `room` of them made in advance, in a thread of their own. None of them may be None.

    What goes wrong while one is made is raised where it is asked for.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "prefetch") as maker:
        made = deque(maker.submit(next, source, None) for _ in range(room))
        while (item := made.popleft().result()) is not None:
            made.append(maker.submit(next, source, None))
            yield item
            del item  # it may be large, and the caller is done with it
