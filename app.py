"""The page: python app.py. On a Hugging Face Space this file is the entry."""

import argparse
import os
import shlex
import signal
import sys
import tempfile


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the flags, first those of $WAN_DEMO_FLAGS, since a Space has no command line; `setup` is the models'."""
    from wan_demo.request import RequestError
    from wan_demo.setup import add_flags, read

    host = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"
    parser = argparse.ArgumentParser(prog="python app.py", description="Text to finished video, as a page.")
    parser.add_argument("--host", default=host, help="0.0.0.0 lets other machines in (default: %(default)s)")
    parser.add_argument("--port", type=port, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="also lend a public web address, through gradio.live")
    add_flags(parser)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        kept = shlex.split(os.environ.get("WAN_DEMO_FLAGS", ""))
    except ValueError as error:
        parser.error(f"WAN_DEMO_FLAGS cannot be read ({error}): mend its quotation marks.")
    options = parser.parse_args([*kept, *given])
    try:
        options.setup = read(options)
    except RequestError as error:
        parser.error(str(error))
    return options


def port(text: str) -> int:
    """A port's number."""
    number = int(text)
    if not 0 < number < 2**16:
        raise argparse.ArgumentTypeError(f"there is no port {number}: choose one from 1 to {2**16 - 1}")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until it is stopped; returns the exit code."""
    options = parse(arguments)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as Ctrl-C does: leave nothing behind
    with tempfile.TemporaryDirectory(prefix="wan_demo-page-") as folder:  # readable by this user alone
        os.environ["GRADIO_TEMP_DIR"] = folder
        from wan_demo.ui.serve import serve

        try:
            return serve(options.setup, options.host, options.port, options.share)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
