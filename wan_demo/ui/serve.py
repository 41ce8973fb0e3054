"""Opens the page and keeps it open."""

import os
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_demo.integrity import WeightsError
from wan_demo.locate import at_hand
from wan_demo.policy import FILE, PolicyError, load_policy
from wan_demo.request import RequestError
from wan_demo.safety.brand import try_rules
from wan_demo.setup import Setup, require_device
from wan_demo.store import home
from wan_demo.worker import Worker

if TYPE_CHECKING:
    from wan_demo.zero import Zero


def serve(setup: Setup, host: str, port: int | None, share: bool) -> int:
    """Have the weights here, load the models beside, open the page, and wait; returns the exit code."""
    try:
        check_host(host)
        policy = load_policy(home() / FILE)
        try_rules(policy)
        workshop, setup = open_workshop(setup)
    except (WeightsError, RequestError, PolicyError) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        workshop.start()  # first: gradio takes seconds to import, in which the models load
        from wan_demo.ui.desk import Desk
        from wan_demo.ui.page import build, launch_settings

        lender = None if isinstance(workshop, Worker) else workshop
        page = build(Desk(workshop, setup, workshop.presets, policy, lender))
        where: dict[str, Any] = {"server_name": host, "server_port": port, "share": share}
        _, address, _ = page.launch(**where, **launch_settings(), prevent_thread_lock=True)
        print(f"The page is at {address}", flush=True)
        page.block_thread()
    except (WeightsError, OSError) as error:
        other = f"The page could not be opened ({error}): choose another --port."
        print(error if isinstance(error, WeightsError) else other, file=sys.stderr)
        return 1
    finally:
        workshop.close()
    return 0


def check_host(host: str) -> None:
    """Refuse an address that is not this machine's: gradio would try it at port after port.

    Raises:
        RequestError: it is not.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind) as probe:
            probe.bind(address)
    except OSError:
        raise RequestError(f"This machine has no address {host}: choose another --host.") from None


def open_workshop(setup: Setup) -> "tuple[Worker | Zero, Setup]":
    """Who makes the clips, and what for: a worker's process, or on a ZeroGPU Space, as its `spaces` package knows it,
    ZeroGPU.

    Raises:
        WeightsError: something is missing, damaged, or cannot be fetched, or is too large.
        RequestError: the memory plan does not suit, or the device is not here.
    """
    if os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"):
        from wan_demo.zero import Zero

        setup = replace(setup, device="cuda")  # all that is lent
        return Zero(at_hand(setup), setup.device, setup.plan), setup
    require_device(setup.device)
    return Worker(at_hand(setup), setup.device, setup.plan), setup
