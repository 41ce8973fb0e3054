"""Opens the page and keeps it open."""

import sys
from typing import Any

from wan_demo.integrity import WeightsError
from wan_demo.locate import at_hand
from wan_demo.policy import FILE, PolicyError, load_policy
from wan_demo.safety.brand import try_rules
from wan_demo.setup import Setup
from wan_demo.store import home
from wan_demo.ui.desk import Desk
from wan_demo.ui.page import build, launch_settings
from wan_demo.worker import Worker


def serve(setup: Setup, host: str, port: int | None, share: bool) -> int:
    """Have the weights here, load the models beside, open the page, and wait; returns the exit code."""
    try:
        presets = at_hand(setup)
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    worker = Worker(presets, setup.device, setup.plan)
    try:
        worker.start()
        policy = load_policy(home() / FILE)
        try_rules(policy)
        page = build(Desk(worker, setup, presets, policy))
        where: dict[str, Any] = {"server_name": host, "server_port": port, "share": share}
        _, address, _ = page.launch(**where, **launch_settings(), prevent_thread_lock=True)
        print(f"The page is at {address}", flush=True)
        page.block_thread()
    except (PolicyError, OSError) as error:
        other = f"The page could not be opened ({error}): choose another --port."
        print(error if isinstance(error, PolicyError) else other, file=sys.stderr)
        return 1
    finally:
        worker.close()
    return 0
