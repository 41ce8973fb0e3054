"""The Check tab on files of ours, of others, and on what is no video."""

from pathlib import Path

import av

from tests.clips import natural, publish
from wan_demo import mp4
from wan_demo.provenance.identity import load_identity
from wan_demo.store import KEYS, Records, home
from wan_demo.ui.check import look


def test_the_tab_tells_what_a_file_is(tmp_path: Path) -> None:
    identity = load_identity(home() / KEYS)
    mark = identity.mark({})
    publish(natural(0), mark, identity, tmp_path / "clip.mp4")
    with av.open(tmp_path / "clip.mp4") as old, av.open(tmp_path / "copy.mp4", "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    Records().record(mark, tmp_path / "clip.mp4", {"prompt": "a secret wish", "tier": "full", "seed": 7})
    ours = look(str(tmp_path / "clip.mp4"))
    assert "Ours and intact" in ours
    assert mark in ours
    assert "full" in ours
    assert "secret" not in ours
    altered = look(str(tmp_path / "copy.mp4"))
    assert "Ours, but altered" in altered
    assert "C2PA manifest" in altered
    mp4.write(natural(1), tmp_path / "bare.mp4")
    assert "No trace of ours" in look(str(tmp_path / "bare.mp4"))


def test_no_file_and_no_video(tmp_path: Path) -> None:
    assert look(None) == ""
    (tmp_path / "<b>.mp4").write_text("text")
    told = look(str(tmp_path / "<b>.mp4"))
    assert "cannot be read" in told
    assert "<b>" not in told
    assert str(tmp_path) not in told
