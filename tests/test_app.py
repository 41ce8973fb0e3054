"""app.py: its flags, and one clip made through the real page with the shipped weights."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import httpx
import pytest

import app
from wan_demo import mp4
from wan_demo.presets import WEIGHTS

ROOT = Path(app.__file__).parent
shipped = pytest.mark.skipif(
    not (WEIGHTS / "pocket" / "checksums.json").exists(), reason="the weights have not been trained yet"
)


def test_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    options = app.parse([])
    assert (options.host, options.port, options.share) == ("127.0.0.1", None, False)
    assert (options.family, options.device) == ("pocket", "cpu")
    chosen = app.parse(["--host", "0.0.0.0", "--port", "7999", "--share", "--family", "pocket", "--device", "cuda"])
    assert (chosen.host, chosen.port, chosen.share, chosen.device) == ("0.0.0.0", 7999, True, "cuda")


def test_a_space_takes_flags_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_DEMO_FLAGS", "--family wan22 --plan 'one expert'")
    setup = app.parse(["--device", "cuda"]).setup
    assert (setup.family, setup.plan, setup.device) == ("wan22", "one expert", "cuda")


def test_a_space_lets_visitors_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/wan_demo")
    assert app.parse([]).host == "0.0.0.0"


@pytest.mark.parametrize(
    "flags",
    [
        ["--family", "none"],
        ["--port", "x"],
        ["--port", "0"],
        ["--port", "65536"],
        ["--device", "abacus"],
        ["--weights", "nowhere"],
    ],
)
def test_a_wrong_flag_is_refused(flags: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        app.parse(flags)


def test_flags_of_a_space_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAN_DEMO_FLAGS", "--plan 'one expert")
    with pytest.raises(SystemExit, match="2"):
        app.parse([])
    assert "mend its quotation marks" in capsys.readouterr().err


def test_a_host_that_is_not_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--host", "192.0.2.1"]) == 1  # kept for documentation (RFC 5737)
    assert "no address 192.0.2.1: choose another --host" in capsys.readouterr().err


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a page of its own, whose files lie in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "WAN_DEMO_HOME": str(folder / "home"), "TMPDIR": str(folder), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert process.poll() is None, "app.py ended by itself"
            with suppress(httpx.TransportError):
                if httpx.get(address).is_success:
                    break
            time.sleep(0.5)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def generate(address: str, values: list[object]) -> str:
    """Press Generate as a browser does; returns all that the page was told."""
    config = httpx.get(f"{address}/config").json()
    (job,) = [d["id"] for d in config["dependencies"] if len(d["inputs"]) == len(values)]
    call = {"data": values, "fn_index": job, "session_hash": "test"}
    httpx.post(f"{address}/gradio_api/queue/join", json=call).raise_for_status()
    told = []
    with httpx.stream("GET", f"{address}/gradio_api/queue/data?session_hash=test", timeout=300) as events:
        for line in events.iter_lines():
            told.append(line)
            if '"process_completed"' in line:
                break
    return "\n".join(told)


@shipped
def test_a_clip_through_the_page(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        what = ["a red ball bounces over green grass", "", "distilled", 1, 1, "chain"]
        how = ["720x720", "24", "h265", "even", True, "top left", "es"]
        heard = [None, "cut", False, True, "", "off"]
        told = generate(address, [*what, *how, *heard])
        found = re.search(r"/gradio_api/file=([^\"\\ ]+\.mp4)", told)
        assert found, told[-2000:]
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(httpx.get(address + found[0]).raise_for_status().content)
        made = mp4.probe(clip)
        assert (made.size, made.fps, made.frames, made.codec) == ((720, 720), Fraction(24), 24, "hevc")
        assert "wan_demo generate" in told
        assert httpx.get(f"{address}/monitoring/summary").status_code >= 400
    left = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in left if name.startswith("wan_demo-")], left
