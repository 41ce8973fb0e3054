import errno
import io
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from tests.hub_server import COMMIT, PIECE, Hub, serve
from wan_demo import download, hub, integrity
from wan_demo.events import Transfer
from wan_demo.hub import Place, Source
from wan_demo.integrity import WeightsError

SOURCE = Source("maker/tiny-wan", COMMIT)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def quick_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries; small pieces, so that a break finds part of a small file; no other protocol."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    for module in ("file_download", "utils._http"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time.sleep", lambda _: None)
    monkeypatch.setattr(download, "POLL_S", 0.01)


@pytest.fixture
def server(hub_folder: Path) -> Iterator[Hub]:
    with serve(hub_folder) as running:
        yield running


@pytest.fixture
def place(server: Hub, tmp_path: Path) -> Place:
    return Place(tmp_path / "cache", server.endpoint)


def finish(source: Source, place: Place) -> tuple[Path, list[Transfer]]:
    events, seen = hub.fetch(source, place), []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return end.value, seen


def refusal(source: Source, place: Place) -> str:
    with pytest.raises(WeightsError) as caught:
        finish(source, place)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def same(folder: Path, original: Path) -> bool:
    names = [path.relative_to(original) for path in original.rglob("*") if path.is_file()]
    return bool(names) and all((folder / name).read_bytes() == (original / name).read_bytes() for name in names)


def large(folder: Path) -> dict[str, int]:
    paths = [*folder.rglob("*.safetensors"), folder / "tokenizer" / "tokenizer.json"]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def test_a_download_is_whole_and_tells_how_far_it_is(server: Hub, place: Place, hub_folder: Path) -> None:
    before = hub.survey(SOURCE, place)
    assert before.missing == before.total == sum(p.stat().st_size for p in hub_folder.rglob("*") if p.is_file())
    assert before.free == shutil.disk_usage(hub_folder).free or before.free > 0
    folder, seen = finish(SOURCE, place)
    assert same(folder, hub_folder)
    down = [event for event in seen if event.what == "Downloading"]
    assert [event.done for event in down] == sorted(event.done for event in down)
    assert down[-1].done == down[-1].total == sum(large(hub_folder).values())
    assert hub.survey(SOURCE, place).missing == 0


def test_the_second_start_asks_nobody_and_hashes_nothing(
    server: Hub, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "REMEMBERED", 0)
    folder, _ = finish(SOURCE, place)
    finish(SOURCE, place)  # the small files, which the library brought, are hashed now
    asked = server.requests
    monkeypatch.setattr(integrity, "hashing", None)
    assert finish(SOURCE, place) == (folder, [])
    assert finish(SOURCE, Place(place.cache, place.endpoint, offline=True))[0] == folder
    assert server.requests == asked


def test_pickles_and_pictures_are_left_where_they_are(
    place: Place, server: Hub, hub_folder: Path, tmp_path: Path
) -> None:
    server.folder = shutil.copytree(hub_folder, tmp_path / "more")
    for name in ("transformer/diffusion_pytorch_model.bin", "assets/logo.png", "README.md"):
        (server.folder / name).parent.mkdir(exist_ok=True)
        (server.folder / name).write_bytes(b"x" * 5000)
    folder, _ = finish(SOURCE, place)
    assert same(folder, hub_folder)
    assert not {"diffusion_pytorch_model.bin", "logo.png", "README.md"} & {p.name for p in folder.rglob("*")}


def not_asked_again(server: Hub, original: Path) -> int:
    """Bytes of large files that the last download did without."""
    return sum(server.starts.get(name, size) for name, size in large(original).items())


def test_a_broken_connection_is_taken_up_again(
    server: Hub, place: Place, hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FILES_AT_ONCE", 1)  # or others would be stopped with what is on its way to them
    server.budget = sum(large(hub_folder).values()) // 2
    assert "check the network and start again" in refusal(SOURCE, place)
    assert hub.cached(SOURCE, place) is None
    left = hub.survey(SOURCE, place)
    kept = left.total - left.missing
    assert server.served.total() - PIECE < kept <= server.served.total()
    server.budget = None
    server.starts.clear()
    folder, seen = finish(SOURCE, place)
    assert same(folder, hub_folder)
    assert not_asked_again(server, hub_folder) == seen[0].done == kept


def test_one_break_is_mended_at_once(server: Hub, place: Place, hub_folder: Path) -> None:
    server.breaks = 3
    folder, _ = finish(SOURCE, place)
    assert server.breaks == 0
    assert same(folder, hub_folder)


def test_a_closed_download_goes_on_where_it_was(server: Hub, place: Place, hub_folder: Path) -> None:
    server.slow_s = 0.002
    events = hub.fetch(SOURCE, place)
    half = next(event.done for event in events if event.done > event.total / 4)
    events.close()
    server.slow_s = 0.0
    server.starts.clear()
    folder, seen = finish(SOURCE, place)
    assert half <= seen[0].done == not_asked_again(server, hub_folder) < seen[0].total
    assert same(folder, hub_folder)


def test_what_arrives_damaged_is_thrown_away(server: Hub, place: Place, hub_folder: Path) -> None:
    server.garbled = "vae/diffusion_pytorch_model.safetensors"
    assert f"{server.garbled} of maker/tiny-wan arrived damaged" in refusal(SOURCE, place)
    server.garbled = ""
    assert same(finish(SOURCE, place)[0], hub_folder)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, "GatedRepo", "is gated: accept its terms at http"),
        (403, "GatedRepo", "is gated: accept its terms at http"),
        (403, "", "check the name, or run `hf auth login`"),
        (404, "EntryNotFound", "has no model_index.json"),
        (500, "", "check the network and start again"),
    ],
)
def test_a_refusal_of_the_hub_is_a_sentence(server: Hub, place: Place, status: int, code: str, told: str) -> None:
    server.refusal = (status, code)
    assert told in refusal(SOURCE, place)
    with pytest.raises(WeightsError, match=told.split(":")[0]):
        hub.survey(SOURCE, place)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Source("maker/other", COMMIT), "has no maker/other, or keeps it private: check the name"),
        (Source("maker/tiny-wan", "f" * 40), f"has no revision {'f' * 40}"),
        (Source("a/b/c", COMMIT), "write owner/name"),
    ],
)
def test_a_wrong_name_is_a_sentence(place: Place, source: Source, told: str) -> None:
    assert told in refusal(source, place)


def test_no_network(tmp_path: Path) -> None:
    assert "check the network" in refusal(SOURCE, Place(tmp_path, "http://127.0.0.1:9"))


def test_a_network_that_answers_with_a_page_of_its_own(server: Hub, place: Place) -> None:
    server.portal = True
    assert "check the network" in refusal(SOURCE, place)


def test_offline_takes_what_is_whole_and_nothing_else(server: Hub, place: Place, hub_folder: Path) -> None:
    offline = Place(place.cache, place.endpoint, offline=True)
    assert "is not whole in" in refusal(SOURCE, offline)
    server.budget = 50_000
    refusal(SOURCE, place)
    assert "is not whole in" in refusal(SOURCE, offline)
    server.budget = None
    folder, _ = finish(SOURCE, place)
    assert finish(SOURCE, offline)[0] == folder
    (folder / "transformer_2" / "config.json").unlink()
    assert "is not whole in" in refusal(SOURCE, offline)
    assert same(finish(SOURCE, place)[0], hub_folder)


def test_a_student_needs_all_but_the_experts(server: Hub, place: Place, hub_folder: Path) -> None:
    rest = replace(SOURCE, experts=False)
    shared = {name: size for name, size in large(hub_folder).items() if not name.startswith("transformer")}
    folder, seen = finish(rest, place)
    assert seen[0].total == sum(shared.values())
    assert not [name for name in server.served if name.startswith("transformer")]
    assert hub.cached(rest, place) == folder
    assert hub.cached(SOURCE, place) is None
    assert hub.survey(rest, place).missing == 0
    finish(SOURCE, place)
    assert same(folder, hub_folder)
    assert hub.survey(rest, place).total < hub.survey(SOURCE, place).total


def test_the_environment_can_say_offline(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "without HF_HUB_OFFLINE" in refusal(SOURCE, place)


def test_too_small_a_disk_is_told_before_the_download(
    server: Hub, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 100_000))
    monkeypatch.setattr(download, "bring", None)
    assert hub.survey(SOURCE, place).free == 100_000
    assert "needs 0.0 GB more, and 0.0 GB are free in" in refusal(SOURCE, place)
    assert not server.served


def test_a_disk_that_fills_up_leaves_nothing_half_done(
    server: Hub, place: Place, hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, open_ = [60_000], Path.open

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            room[0] -= len(data)
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    with monkeypatch.context() as small:
        opened = lambda path, mode="r", **how: Full(path, mode) if mode == "ab" else open_(path, mode, **how)  # noqa: E731
        small.setattr(Path, "open", opened)
        assert "is full: free some, or set HF_HOME" in refusal(SOURCE, place)
    assert hub.cached(SOURCE, place) is None
    assert same(finish(SOURCE, place)[0], hub_folder)


def test_a_flipped_byte_in_the_cache_is_found(server: Hub, place: Place, hub_folder: Path) -> None:
    folder, _ = finish(SOURCE, place)
    blob = next((folder / "transformer").glob("*00001*.safetensors")).resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    assert f"is damaged: delete {blob} and download it again" in refusal(SOURCE, place)
    blob.unlink()
    assert same(finish(SOURCE, place)[0], hub_folder)


def test_a_shard_that_was_cut_short_in_the_cache_is_found(server: Hub, place: Place, hub_folder: Path) -> None:
    folder, _ = finish(SOURCE, place)
    blob = next((folder / "text_encoder").glob("*00001*.safetensors")).resolve()
    os.truncate(blob, blob.stat().st_size - 1)
    assert f"is cut short: it has {blob.stat().st_size:,} of" in refusal(SOURCE, place)
    blob.unlink()
    assert same(finish(SOURCE, place)[0], hub_folder)


def test_a_repository_of_pickles_or_another_model(server: Hub, place: Place, hub_folder: Path, tmp_path: Path) -> None:
    server.folder = shutil.copytree(hub_folder, tmp_path / "pickles")
    for path in server.folder.rglob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    assert "has no safetensors files" in refusal(SOURCE, place)
    server.folder = shutil.copytree(hub_folder, tmp_path / "one")
    index = server.folder / "model_index.json"
    index.write_text(index.read_text().replace('["diffusers", "WanTransformer3DModel"]', "[null, null]"))
    index.write_text(index.read_text().replace('"WanPipeline"', '"WanVideoToVideoPipeline"'))
    assert "holds a WanVideoToVideoPipeline" in refusal(SOURCE, place)


def test_the_pinned_source_is_the_14b_model() -> None:
    assert hub.WAN22.repo == "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
    assert hub.WAN22.revision == "5be7df9619b54f4e2667b2755bc6a756675b5cd7"
