import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from diffusers import WanPipeline

from wan_demo import integrity
from wan_demo.integrity import CHECKSUMS, IncompleteError, WeightsError, check_blobs, inspect, verify
from wan_demo.store import Digests

SHARD = "transformer/diffusion_pytorch_model-00002-of-00008.safetensors"
INDEX = "transformer/diffusion_pytorch_model.safetensors.index.json"
VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(hub_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(hub_folder, tmp_path / "copy")


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        inspect(folder)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_diffusers_opens_and_writes_is_whole(folder: Path, tmp_path: Path) -> None:
    inspect(folder)
    WanPipeline.from_pretrained(folder).save_pretrained(tmp_path / "saved", max_shard_size="30KB")
    assert (tmp_path / "saved" / INDEX).is_file()
    inspect(tmp_path / "saved")


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "transformer_2/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        SHARD,
        INDEX,
        VAE,
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    named = name.removesuffix(".index.json")  # one file would do as well
    assert f"{folder / named}" in refusal(folder)
    with pytest.raises(IncompleteError, match="download it again"):
        inspect(folder)


@pytest.mark.parametrize("part", ["transformer", "transformer_2", "text_encoder", "vae", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"{folder / part}" in refusal(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "model_index.json is missing: choose a whole folder" in refusal(tmp_path / "nowhere")


def shortened(data: bytes) -> bytes:
    return data[:-1]


def lengthened(data: bytes) -> bytes:
    return data + b"\0"


def emptied(data: bytes) -> bytes:
    return b""


def garbled(data: bytes) -> bytes:
    return data[:8] + b"\xff" + data[9:]


def pointer(data: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64


def of_no_tensors(data: bytes) -> bytes:
    return (2).to_bytes(8, "little") + b"{}"


@pytest.mark.parametrize("name", [SHARD, VAE])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shortened, "is cut short: it has"),
        (lengthened, "is too long: it has"),
        (emptied, "is cut short"),
        (garbled, "is damaged"),
        (pointer, "is cut short, or no safetensors file"),
        (of_no_tensors, "is damaged"),
    ],
)
def test_a_file_that_is_not_whole_is_named(
    folder: Path, name: str, change: Callable[[bytes], bytes], told: str
) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    text = refusal(folder)
    assert f"The weights file {folder / name} {told}" in text
    assert f"delete {folder / name} and download it again" in text


def test_a_shard_of_another_model_is_named(folder: Path) -> None:
    shutil.copy(folder / VAE, folder / SHARD)
    assert f"{folder / SHARD} lacks blocks." in refusal(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": {}}', '{"weight_map": []}'])
def test_an_index_that_says_nothing_is_named(folder: Path, content: str) -> None:
    (folder / INDEX).write_text(content)
    assert f"{folder / INDEX} " in refusal(folder)


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".ckpt", ".pth"])
def test_pickles_are_not_opened(folder: Path, suffix: str) -> None:
    (folder / VAE).rename((folder / VAE).with_suffix(suffix))
    assert "holds pickle files only" in refusal(folder)
    assert "only safetensors is opened" in refusal(folder)


def test_pickles_beside_safetensors_do_not_matter(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    inspect(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"_class_name": "StableDiffusionPipeline"}, "holds a StableDiffusionPipeline, not a WanPipeline"),
        ({"transformer_2": [None, None]}, "holds one expert, as Wan2.1 and the 5B model do"),
        ({"transformer_2": None}, "holds one expert"),
        ({"vae": ["diffusers", "AutoencoderKL"]}, "has AutoencoderKL where AutoencoderKLWan should be"),
        ({"text_encoder": [None, None]}, "has None where UMT5EncoderModel should be"),
        ({"text_encoder": 7}, "has None where UMT5EncoderModel should be"),
        ({"transformer": 7}, "holds one expert"),
    ],
)
def test_another_model_is_refused(folder: Path, change: dict[str, object], told: str) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | change))
    assert told in refusal(folder)
    assert "choose Wan-AI/Wan2.2-T2V-A14B-Diffusers" in refusal(folder)


def linked(cache: Path, name: str, data: bytes, blob: str) -> Path:
    """A file as a hub's cache has it: a link to a blob that is named by its content."""
    (cache / "blobs").mkdir(parents=True, exist_ok=True)
    (cache / "blobs" / blob).write_bytes(data)
    link = cache / "snapshots" / "commit" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("..", "..", "blobs", blob))
    return link


LARGE, SMALL = b"large " * 1000, b"small"
SHA256 = hashlib.sha256(LARGE).hexdigest()


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def test_a_cache_is_held_against_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "PIECE", 1000)
    linked(tmp_path, "a.safetensors", LARGE, SHA256)
    linked(tmp_path, "b.json", SMALL, git_id(SMALL))
    (tmp_path / "snapshots" / "commit" / "mine.txt").write_text("a file that is no link")
    seen = list(check_blobs(tmp_path / "snapshots"))
    assert seen[-1] == (6005, 6005)
    assert seen[:3] == [(1000, 6005), (2000, 6005), (3000, 6005)]


@pytest.mark.parametrize(("data", "name"), [(LARGE, SHA256), (SMALL, git_id(SMALL))])
def test_one_flipped_bit_in_a_cache_is_found(tmp_path: Path, data: bytes, name: str) -> None:
    link = linked(tmp_path, "a.safetensors", data[:-1] + bytes([data[-1] ^ 1]), name)
    with pytest.raises(WeightsError, match=f"is damaged: delete {link.resolve()} and download"):
        list(check_blobs(tmp_path / "snapshots"))


def test_a_blob_that_other_repositories_share_has_its_own_name_still(tmp_path: Path) -> None:
    link = linked(tmp_path, "a.safetensors", LARGE, SHA256)
    shared = tmp_path / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir()
    link.resolve().rename(shared)
    (tmp_path / "blobs" / SHA256).symlink_to(shared)
    assert integrity.blob_name(link) == SHA256
    assert list(check_blobs(tmp_path / "snapshots"))[-1] == (6000, 6000)


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "REMEMBERED", len(LARGE))
    link = linked(tmp_path, "a.safetensors", LARGE, SHA256)
    small = linked(tmp_path, "b.json", SMALL, git_id(SMALL))
    assert list(check_blobs(tmp_path / "snapshots"))[-1] == (6005, 6005)
    assert list(check_blobs(tmp_path / "snapshots"))[-1] == (5, 5)
    assert Digests().find(link) == SHA256
    assert Digests().find(small) is None
    link.resolve().write_bytes(LARGE[:-1] + b"?")
    with pytest.raises(WeightsError, match="is damaged"):
        list(check_blobs(tmp_path / "snapshots"))
    with pytest.raises(WeightsError, match="is damaged"):  # and what is damaged is not taken for right later
        list(check_blobs(tmp_path / "snapshots"))


def test_checksums_of_a_large_file_are_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "REMEMBERED", 1)
    (tmp_path / "a").write_bytes(LARGE)
    integrity.write_checksums(tmp_path)
    with monkeypatch.context() as blind:
        blind.setattr(hashlib, "file_digest", None)
        integrity.verify(tmp_path)
    stat = (tmp_path / "a").stat()
    (tmp_path / "a").write_bytes(LARGE[:-1] + b"?")
    os.utime(tmp_path / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(WeightsError, match="a is damaged: mend it"):
        integrity.verify(tmp_path, "mend it")


def test_a_store_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_DEMO_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(integrity, "REMEMBERED", 1)
    linked(tmp_path, "a.safetensors", LARGE, SHA256)
    for _ in range(2):
        assert list(check_blobs(tmp_path / "snapshots"))[-1] == (6000, 6000)


def test_no_model_code_is_needed() -> None:
    code = "import sys, wan_demo.integrity; print({'torch', 'diffusers', 'transformers'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("listing", ["{", "[]"])
def test_a_list_of_checksums_that_cannot_be_read_is_refused(tmp_path: Path, listing: str) -> None:
    (tmp_path / CHECKSUMS).write_text(listing)
    with pytest.raises(WeightsError, match=f"{CHECKSUMS} is damaged"):
        verify(tmp_path)
