import json
import os
from pathlib import Path

import pytest

from wan_demo import __main__ as cli
from wan_demo import mp4, presets
from wan_demo.presets import Preset

PROMPT = "a red ball moves right over green grass"


@pytest.fixture
def tiny_table(tiny_full: Preset, tiny_distilled: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS", (tiny_full, tiny_distilled))


def run(folder: Path, *arguments: str) -> int:
    return cli.main(["generate", *arguments, "--output", str(folder / "clip.mp4")])


@pytest.mark.usefixtures("tiny_table")
@pytest.mark.parametrize("tier", ["full", "distilled"])
def test_json_report(tier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (PROMPT, "--family", "tiny", "--tier", tier, "--seed", "5", "--size", "320x180", "--duration", "1")
    assert run(tmp_path, *arguments, "--json") == 0
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert (report["prompt"], report["family"], report["tier"], report["seed"]) == (PROMPT, "tiny", tier, 5)
    made = mp4.probe(Path(report["output"]))
    assert (made.frames, made.size) == (report["frames"], (320, 180))
    assert "layout" in output.err


@pytest.mark.usefixtures("tiny_table")
def test_a_prompt_with_unknown_words_is_made_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "a red zebra", "--family", "tiny", "--size", "320x180", "--duration", "0.5") == 0
    assert "does not know: zebra" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["a" * 10_000],
        [PROMPT, "--tier", "fast"],
        [PROMPT, "--family", "giant"],
        [PROMPT, "--size", "1281x721"],
        [PROMPT, "--size", "0x0"],
        [PROMPT, "--size", "7680x4320"],
        [PROMPT, "--fps", "31"],
        [PROMPT, "--codec", "mpeg2"],
        [PROMPT, "--timing", "late"],
        [PROMPT, "--duration", "-1"],
        [PROMPT, "--duration", "1e9"],
        [PROMPT, "--duration", "nan"],
        [PROMPT, "--seed", "x"],
        [PROMPT, "--seed", "1.5"],
        [PROMPT, "--mode", "sideways"],
        [PROMPT, "--frames", "3"],
        [PROMPT, "--negative", "blue"],
        [PROMPT, "--tier", "full", "--negative", "a" * 10_000],
        [PROMPT, "--label", "middle"],
        [PROMPT, "--label-language", "tlh"],
    ],
)
def test_refused_with_one_sentence(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, *arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert list(tmp_path.glob("*.mp4")) == []


@pytest.mark.parametrize("name", ["missing/clip.mp4", "file/clip.mp4", "clip.avi", "folder.mp4", f"{'a' * 300}.mp4"])
def test_bad_outputs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    assert cli.main(["generate", PROMPT, "--output", str(tmp_path / name)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that even root cannot write")
def test_a_closed_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generate", PROMPT, "--output", "/proc/self/clip.mp4"]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("tiny_table")
def test_damaged_weights_exit_1(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = json.loads((tiny_folder / "checksums.json").read_text())
    monkeypatch.setattr(json, "loads", lambda text, **_: {**listing, "vae/config.json": "0"})
    assert run(tmp_path, PROMPT, "--family", "tiny") == 1
    err = capsys.readouterr().err
    assert "vae/config.json is damaged" in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("tiny_table")
def test_an_operators_file_that_is_broken_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path))
    (tmp_path / "operator.toml").write_text("label_may_be_of = true")
    assert run(tmp_path, PROMPT, "--family", "tiny") == 1
    assert capsys.readouterr().err.strip().endswith("mend it, or take it away.")
    assert not (tmp_path / "clip.mp4").exists()
