"""The README is true: its files exist, its commands are understood, its Space settings fit requirements.txt."""

import re
import shlex
from pathlib import Path

import pytest

import app
from benchmarks import tricks
from distill import __main__ as distill_cli
from wan_demo import __main__ as cli
from wan_demo.policy import load_policy

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.S | re.M)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]


def test_the_two_promises() -> None:
    assert "pip install -r requirements.txt && python app.py" in COMMANDS
    assert "pip install -r tests/requirements.txt && pytest tests" in COMMANDS


def test_every_command_is_understood() -> None:
    ours = [shlex.split(c) for c in COMMANDS if c.startswith("python -m ")]
    assert len(ours) >= 6
    for words in ours:
        {"wan_demo": cli, "distill": distill_cli, "benchmarks.tricks": tricks}[words[2]].parse(words[3:])
    for words in (shlex.split(c) for c in COMMANDS if c.startswith("python app.py")):
        app.parse(words[2:])


def test_the_operators_file_is_understood(tmp_path: Path) -> None:
    (example,) = (block for kind, block in BLOCKS if kind == "toml")
    (tmp_path / "operator.toml").write_text(example)
    (tmp_path / "rival.png").touch()
    policy = load_policy(tmp_path / "operator.toml")
    assert policy.label_may_be_off
    assert len(policy.checkers) == 2


def test_every_path_exists() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    listed = [path for row in re.findall(r"^\| (`.*?`) \|", README, re.M) for path in re.findall(r"`(.*?)`", row)]
    assert pictures
    assert len(listed) > 15
    folder = ROOT
    for path in listed:
        # "`wan_demo/request.py`, `presets.py`": the second is beside the first
        found = ROOT / path if (ROOT / path).exists() else folder / path
        assert found.exists(), path
        folder = found.parent
    assert all((ROOT / path).is_file() for path in pictures)


def test_space_settings() -> None:
    settings = dict(re.findall(r"^(\w+): \"?(.*?)\"?$", README.split("---")[1], re.M))
    pins = (ROOT / "requirements.txt").read_text()
    assert settings["sdk"] == "gradio"
    assert f"gradio=={settings['sdk_version']}" in pins
    assert (ROOT / settings["app_file"]).is_file()


@pytest.mark.parametrize("word", ["TODO", "@@", "coming soon"])
def test_nothing_is_left_open(word: str) -> None:
    assert word not in README
