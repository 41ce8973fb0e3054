"""The page: python app.py. On a Hugging Face Space this file is the entry."""

import argparse
import os
import signal
import sys
import tempfile


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from wan_demo.setup import add_flags

    host = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"
    parser = argparse.ArgumentParser(prog="python app.py", description="Text to finished video, as a page.")
    parser.add_argument("--host", default=host, help="0.0.0.0 lets other machines in (default: %(default)s)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="also lend a public web address, through gradio.live")
    add_flags(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until it is stopped; returns the exit code."""
    options = parse(arguments)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as Ctrl-C does: leave nothing behind
    with tempfile.TemporaryDirectory(prefix="wan_demo-page-") as folder:  # readable by this user alone
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            return serve(options)
        except KeyboardInterrupt:
            return 0


def serve(options: argparse.Namespace) -> int:
    """Have the weights here, load the models beside, open the page, and wait."""
    from wan_demo.integrity import WeightsError
    from wan_demo.locate import at_hand
    from wan_demo.policy import FILE, PolicyError, load_policy
    from wan_demo.request import RequestError
    from wan_demo.setup import read
    from wan_demo.store import home
    from wan_demo.ui.desk import Desk
    from wan_demo.ui.page import build, launch_settings
    from wan_demo.worker import Worker

    try:
        setup = read(options)
        presets = at_hand(setup)
    except (RequestError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    worker = Worker(presets, setup.device, setup.plan)
    try:
        worker.start()
        page = build(Desk(worker, setup, presets, load_policy(home() / FILE)))
        where = {"server_name": options.host, "server_port": options.port, "share": options.share}
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


if __name__ == "__main__":
    sys.exit(main())
