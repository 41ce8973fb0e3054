"""Clips of the page's examples are shown again, with their own report, and nobody else's clip is."""

import shutil
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import wan_demo
from tests.clips import natural, publish
from wan_demo.integrity import CHECKSUMS
from wan_demo.policy import Policy, Wanted
from wan_demo.presets import WEIGHTS, tiers
from wan_demo.provenance.identity import load_identity
from wan_demo.request import Delivery, Label, Request, Soundtrack
from wan_demo.setup import Setup
from wan_demo.store import KEYS, Records, home
from wan_demo.ui import draw, templates
from wan_demo.ui.choices import EXAMPLES
from wan_demo.ui.job import make
from wan_demo.ui.templates import Templates
from wan_demo.worker import Event, Published

EXAMPLE = EXAMPLES["pocket"][0]
REQUEST = Request(EXAMPLE)


@pytest.fixture
def page() -> Templates:
    return Templates.of(Setup(), tiers("pocket"), Policy())


def made(request: Request, output: Path) -> Published:
    """A small signed file that is recorded, as the worker does it."""
    identity = load_identity(home() / KEYS)
    mark = identity.mark({"request": repr(request)})
    report = {"id": mark, "seed": request.seed, "seconds": {"encode": 0.1, "total": 9.8}}
    published = Published(publish(natural(request.seed, 3, 180, 320), mark, identity, output), report)
    Records().record(mark, published.path, published.report)
    return published


class Worker:
    """Publishes small files."""

    jobs = 0

    def run(self, request: Request, output: Path) -> Generator[Event, None, None]:
        self.jobs += 1
        yield made(request, output)


def test_an_example_is_made_once_and_then_shown_again_with_the_time_it_was_made(page: Templates) -> None:
    worker = Worker()
    first = list(make(worker, REQUEST, page))[-1]
    before = datetime.now(UTC)
    for again in make(worker, REQUEST, page):
        assert again.published is not None
        assert again.published.path.is_file()
        assert again.published.path.name == "wan_demo-distilled-0.mp4"
    assert worker.jobs == 1
    assert first.published is not None
    assert again.published is not None
    assert again.published.report.items() >= first.published.report.items()
    assert first.again is None
    assert again.again is not None
    assert abs((again.again - before).total_seconds()) < 60


@pytest.mark.parametrize(
    "request_",
    [
        Request("a red ball falls in the snow"),
        replace(REQUEST, seed=1),
        replace(REQUEST, duration_s=1.5),
        replace(REQUEST, mode="direct"),
        replace(REQUEST, delivery=Delivery(640, 360)),
        replace(REQUEST, delivery=Delivery(label=Label("top left"))),
        replace(REQUEST, sound=Soundtrack(narration="my secret")),
        replace(REQUEST, tier="full", negative="a star"),
    ],
)
def test_what_a_visitor_chose_is_never_kept(request_: Request, page: Templates, tmp_path: Path) -> None:
    page.keep(request_, made(request_, tmp_path / "a.mp4").path)
    assert not (home() / templates.FOLDER).exists()
    assert page.find(request_, tmp_path / "b.mp4") is None


def test_each_tier_and_language_of_the_label_is_another_clip(page: Templates, tmp_path: Path) -> None:
    page.keep(REQUEST, made(REQUEST, tmp_path / "a.mp4").path)
    french = replace(REQUEST, delivery=Delivery(label=Label(language="fr")))
    for other in (replace(REQUEST, tier="full"), french):
        assert page.find(other, tmp_path / "b.mp4") is None
        page.keep(other, made(other, tmp_path / "b.mp4").path)
        assert page.find(other, tmp_path / "c.mp4") is not None


def test_other_weights_code_or_settings_are_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets, listing = tiers("pocket"), tmp_path / CHECKSUMS
    listing.write_text((WEIGHTS / "pocket" / CHECKSUMS).read_text())
    moved = [preset.at(tmp_path) for preset in presets]
    guided = [replace(preset, guidance=3.0) for preset in presets]
    pages = [Templates.of(setup, presets, Policy()) for setup in (Setup(), Setup(device="cuda"), Setup(plan="tiles"))]
    pages += [Templates.of(Setup(), other, Policy()) for other in (moved, guided)]
    listing.write_text(listing.read_text().replace("a", "b"))
    pages.append(Templates.of(Setup(), moved, Policy()))
    monkeypatch.setattr(templates, "_code", lambda: "another")
    pages.append(Templates.of(Setup(), presets, Policy()))
    versions = [page.versions[tier] for page in pages for tier in ("full", "distilled")]
    assert len(set(versions)) == len(versions) == 14


def test_the_code_is_the_same_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(
        WEIGHTS.parent, tmp_path / "code", ignore=lambda _, names: {"weights", "ui", "__pycache__"} & {*names}
    )
    before = templates._code()
    monkeypatch.setattr(wan_demo, "__file__", str(tmp_path / "code" / "__init__.py"))
    assert templates._code() == before
    with (tmp_path / "code" / "diffuse.py").open("a") as file:
        file.write("#")
    assert templates._code() != before


def test_nothing_is_kept_under_rules_or_without_checksums(tmp_path: Path) -> None:
    ruled = Templates.of(Setup(), tiers("pocket"), Policy(terms=Wanted(("ball",))))
    unknown = Templates.of(Setup(), [preset.at(tmp_path) for preset in tiers("pocket")], Policy())
    for page in (ruled, unknown):
        page.keep(REQUEST, made(REQUEST, tmp_path / "a.mp4").path)
        assert page.find(REQUEST, tmp_path / "b.mp4") is None
    assert not (home() / templates.FOLDER).exists()


def damage(kept: Path) -> None:
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(bytes(data))


def change_keys(kept: Path) -> None:
    shutil.rmtree(home() / KEYS)


def forget_record(kept: Path) -> None:
    (home() / "store.sqlite3").unlink()


def make_another(kept: Path) -> None:
    """The record is of a later file of the same mark."""
    made(REQUEST, kept.with_suffix(".other"))


@pytest.mark.parametrize("fault", [damage, change_keys, forget_record, make_another, Path.unlink])
def test_a_file_that_is_not_what_was_recorded_is_not_shown(fault: object, page: Templates, tmp_path: Path) -> None:
    page.keep(REQUEST, made(REQUEST, tmp_path / "a.mp4").path)
    (kept,) = (home() / templates.FOLDER).iterdir()
    fault(kept)  # type: ignore[operator]
    worker = Worker()
    assert list(make(worker, REQUEST, page))[-1].again is None
    assert worker.jobs == 1


def test_no_more_are_kept_than_there_is_room_for(
    page: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "KEPT", 2)
    clip = made(REQUEST, tmp_path / "a.mp4").path
    for prompt in EXAMPLES["pocket"][:4]:
        page.keep(Request(prompt), clip)
    assert len(list((home() / templates.FOLDER).iterdir())) == 2


def test_a_clip_that_cannot_be_kept_is_shown_all_the_same(page: Templates) -> None:
    home().mkdir(parents=True)
    (home() / templates.FOLDER).write_text("in the way")
    assert list(make(Worker(), REQUEST, page))[-1].published is not None


def test_the_page_says_that_it_is_shown_again_and_how_to_get_another(page: Templates) -> None:
    list(make(Worker(), REQUEST, page))
    (again,) = make(Worker(), REQUEST, page)
    assert again.published is not None
    again = replace(again, again=datetime(2026, 5, 3, 16, 5, tzinfo=UTC))
    status = draw.status(again)
    assert "made on 3 May 2026 at 16:05 UTC" in status
    assert "press New seed" in status
    assert "read the prompt" not in status
