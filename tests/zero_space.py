"""A ZeroGPU Space without a GPU: the real `spaces` with its emulation of CUDA, which the forks here keep, since nothing
is there to take over. Run as `python -m tests.zero_space PRESETS FOLDER`; prints one JSON object a job.
"""

import json
import os
import pickle
import signal
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.device_api import DeviceApi, lending
from wan_demo.events import Event, Progress, Published
from wan_demo.request import Delivery, Request

PROMPT = "a red ball moves right over green grass"


def emulate(api: DeviceApi) -> Any:
    """Import `spaces` as on a ZeroGPU Space, on a torch without CUDA; returns its part for torch."""
    import bitsandbytes  # noqa: F401 - it takes the CPU only as long as torch has no CUDA
    import diffusers.quantizers  # noqa: F401 - so does this

    os.environ |= {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": api.address}
    torch._C._cuda_init = lambda: None
    torch.cuda._is_in_bad_fork = bool  # as the torch for CUDA has it, this can be pickled
    emulation = part_for_torch()
    emulation.unpatch, emulation.init, emulation.move = (lambda *_, **__: None for _ in range(3))
    return emulation


def part_for_torch() -> Any:
    """What of `spaces` wants a torch for CUDA, imported with another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.version, "cuda", "12.8")
        patch.setattr(torch._C, "_cuda_init", getattr(torch._C, "_cuda_init", None), raising=False)
        from spaces.zero import torch as part
    return part


def job(zero: Any, output: Path, tier: str = "distilled", prompt: str = PROMPT) -> dict[str, Any]:
    """Make a clip to its end; what came of it."""
    stages: dict[str, None] = {}
    try:
        for event in zero.run(Request(prompt, tier, delivery=Delivery(320, 180)), output):
            if isinstance(event, Progress):
                stages[event.stage] = None
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return {"error": type(error).__name__, "sentence": str(error)}
    assert isinstance(event, Published)
    return {"stages": list(stages), "file": str(event.path), "report": event.report}


def cut(zero: Any, output: Path, how: Callable[[Generator[Event, None, None]], object]) -> dict[str, Any]:
    """Stop a clip in the middle of its layout."""
    events = zero.run(Request(PROMPT, "full", delivery=Delivery(320, 180)), output)
    next(event for event in events if isinstance(event, Progress) and event.stage == "layout" and event.step)
    try:
        how(events)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return {"error": type(error).__name__, "sentence": str(error)}
    return {"left": output.exists()}


def killed(api: DeviceApi, events: Generator[Event, None, None]) -> None:
    os.kill(api.pid, signal.SIGKILL)
    list(events)


def uncompiled(zero: Any) -> dict[str, Any]:
    """Start with blocks that are to be compiled; what is emulated cannot be compiled for."""
    try:
        zero.start()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return {"sentence": str(error)}
    return {}


def main(presets: Path, folder: Path) -> None:
    with lending() as api:
        emulation = emulate(api)
        from wan_demo import tricks
        from wan_demo.zero import Zero

        class Emulated(Zero):
            def _draw(self, *given: Any) -> Any:
                emulation.enter_mode()  # a mode is a thread's own
                yield from super()._draw(*given)

        def tell(name: str, told: dict[str, Any]) -> None:
            print(json.dumps({"name": name, **told, "asked": api.asked}), flush=True)
            api.asked.clear()

        tricks.TOKENS = 64
        zero = Emulated(pickle.loads(presets.read_bytes()), "cuda")
        zero.start()
        held = zero._models["distilled"]
        parts = [held.text_encoder, held.vae, held.high, held.low]
        tensors = [tensor for part in parts for tensor in part.state_dict().values()]
        tell("start", {"pid": os.getpid(), "devices": sorted({str(tensor.device) for tensor in tensors})})
        tell("first", job(zero, folder / "first.mp4"))
        (price,) = (zero.price(preset.drawn(Delivery(320, 180), 2), "chain") for preset in zero.presets[1:])
        tell("second", {"price": price.seconds, "measured": price.measured, **job(zero, folder / "second.mp4")})
        tell("cancelled", cut(zero, folder / "cancelled.mp4", lambda events: events.close()))
        tell("refused", job(zero, folder / "refused.mp4", prompt="ball " * 60))
        tell("killed", cut(zero, folder / "killed.mp4", lambda events: killed(api, events)))
        api.left_s = 1
        tell("poor", job(zero, folder / "poor.mp4"))
        api.left_s, api.idle = 10_000, False  # a new fork, which has the weights as they are now
        torch.nn.init.constant_(held.high.proj_out.weight, float("nan"))
        tell("broken", job(zero, folder / "broken.mp4"))
        zero.close()
        api.idle = True
        tell("uncompiled", uncompiled(Emulated([replace(zero.presets[0], tricks=("compile",))], "cuda")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
