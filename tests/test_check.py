"""A published file, then what people do to files, and what `check` says of each."""

import json
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests.clips import embed, natural, publish
from wan_demo import __main__ as command
from wan_demo import mp4
from wan_demo.check import ALTERED, INTACT, NO_TRACE, Finding, check, pictures_of
from wan_demo.clip import Clip
from wan_demo.mp4.reader import KEYS_ONLY
from wan_demo.provenance.identity import Identity, load_identity
from wan_demo.provenance.metadata import TRAINED_ALGORITHMIC_MEDIA, has_xmp, mark_in, tags
from wan_demo.provenance.signature import Signature, read_signature
from wan_demo.store import KEYS, Records, home

FACTS = {"prompt": "a red ball"}


@pytest.fixture(scope="module")
def published(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ours, 12 frames of 720p."""
    return publish(
        natural(0, 12, 720, 1280), identity.mark(FACTS), identity, tmp_path_factory.mktemp("published") / "clip.mp4"
    )


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "store.sqlite3")


def ffmpeg(source: Path, target: Path, *options: str) -> Path:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-y", "-i", source, *options, target], check=True, capture_output=True)
    return target


def test_what_we_published_is_ours_and_intact(published: Path, identity: Identity, records: Records) -> None:
    mark = identity.mark(FACTS)
    assert check(published, identity) == Finding(INTACT, "intact", "ours", mark, ())
    assert records.find(mark) is None
    records.record(mark, published, FACTS)
    found = records.find(mark)
    assert found is not None
    assert found["prompt"] == "a red ball"
    assert len(found["sha256"]) == 64


def test_the_labels_that_other_programs_read(published: Path, identity: Identity) -> None:
    label = json.loads(mp4.read_tags(published)["AIGC"])
    assert label["Label"] == "1"
    assert label["ProduceID"] == identity.mark(FACTS)
    assert set(label) >= {"ContentProducer", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"}
    assert has_xmp(published)
    assert published.read_bytes().count(TRAINED_ALGORITHMIC_MEDIA.encode()) == 2, "in XMP and in the manifest"
    assert mp4.probe(published).frames == 12


def test_one_flipped_bit_of_the_media_or_of_what_tells_of_it_is_found(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the picture can no longer be decoded. The signature alone must tell, without the watermark."""
    monkeypatch.setattr("wan_demo.check.read_watermark", lambda *_: ("none", None))
    path, mark, rng = tmp_path / "clip.mp4", identity.mark(FACTS), np.random.default_rng(0)
    whole = publish(natural(0, 8, 180, 320), mark, identity, path).read_bytes()
    boxes = dict(top_level(whole))
    units = list(nal_units(whole, boxes[b"mdat"]))
    assert len(units) > 8
    places = [place + k for place in units for k in range(6)]  # a unit's length and header, and where its slice begins
    places += [*boxes[b"moov"][::24], *rng.choice(boxes[b"mdat"], 30), *boxes[b"mdat"][:8], *boxes[b"ftyp"][:8]]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        found = check(path, identity)
        assert (found.verdict, found.signature, found.mark) == (ALTERED, "altered", mark), place


def top_level(whole: bytes) -> Iterator[tuple[bytes, range]]:
    """The name and place of each box of an MP4."""
    start = 0
    while start < len(whole):
        end = start + int.from_bytes(whole[start : start + 4], "big")
        yield whole[start + 4 : start + 8], range(start, end)
        start = end


def nal_units(whole: bytes, box: range) -> Iterator[int]:
    """Where each unit of H.264 begins, with its length."""
    start = box.start + 8
    while start < box.stop:
        yield start
        start += 4 + int.from_bytes(whole[start : start + 4], "big")


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "copy"),
        ("-map_metadata", "-1", "-c", "copy"),
        ("-vf", "scale=704:-2"),
        ("-r", "24", "-crf", "40"),
        ("-c:v", "libx265", "-crf", "30"),
        ("-vf", "crop=iw*.71:ih*.71:30:20,hflip,eq=brightness=-0.2"),
        ("-vf", "rotate=10*PI/180"),
        ("-ss", "0.2", "-vf", "setpts=0.8*PTS,eq=contrast=0.5"),
    ],
)
def test_whatever_is_done_to_a_file_its_record_is_found(
    published: Path, identity: Identity, records: Records, tmp_path: Path, options: tuple[str, ...]
) -> None:
    records.record(identity.mark(FACTS), published, FACTS)
    finding = check(ffmpeg(published, tmp_path / "copy.mp4", *options), identity)
    record = records.find(identity.mark(FACTS))
    assert (finding.verdict, finding.signature, finding.watermark) == (ALTERED, "missing", "ours")
    assert finding.mark == identity.mark(FACTS)
    assert "C2PA manifest" in finding.missing
    assert record is not None
    assert "C2PA manifest" in finding.sentence(record)
    assert "a red ball" in finding.sentence(record)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("copy.mkv", ("-c", "copy")),
        ("copy.mov", ("-c", "copy")),
        ("copy.ts", ("-c", "copy")),
        ("copy.flv", ("-c", "copy")),
        ("copy.avi", ("-c:v", "mpeg4", "-q:v", "5")),
        ("copy.mpg", ("-c:v", "mpeg2video", "-q:v", "5")),
        ("copy.wmv", ("-q:v", "5")),
        ("copy.webm", ("-c:v", "libvpx", "-b:v", "2M")),
        ("copy.mp4", ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-crf", "28")),
        ("copy.mp4", ("-pix_fmt", "yuv444p")),
    ],
)
def test_any_kind_of_video_can_be_checked(
    published: Path, identity: Identity, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    finding = check(ffmpeg(published, tmp_path / name, *options), identity)
    assert (finding.verdict, finding.mark) == (ALTERED, identity.mark(FACTS))
    assert finding.missing[0] == "C2PA manifest"


def test_a_video_whose_frames_are_all_key_frames_is_looked_into_all_along(tmp_path: Path) -> None:
    mp4.write_frames((np.full((64, 96, 3), i % 200, np.uint8) for i in range(600)), Fraction(60), tmp_path / "clip.mp4")
    for name, options in (("key.mp4", ("-g", "1")), ("few.mp4", ("-g", "3"))):
        pictures, *_ = pictures_of(ffmpeg(tmp_path / "clip.mp4", tmp_path / name, "-c:v", "libx264", *options))
        assert pictures[-1].second > 9.5
        assert len(pictures) < 130


def test_a_long_video_is_looked_into_at_its_key_frames(identity: Identity, tmp_path: Path) -> None:
    clip, mark = natural(2, 2), identity.mark(FACTS)
    frames = embed(clip, bytes.fromhex(mark), identity.carrier_key).frames
    mp4.write_frames((frames[i % 2] for i in range(64 * KEYS_ONLY)), Fraction(30), tmp_path / "clip.mp4")
    (pictures,) = pictures_of(tmp_path / "clip.mp4")
    assert 1 < len(pictures) < 64
    assert check(tmp_path / "clip.mp4", identity).mark == mark


@pytest.mark.parametrize("size", [(16, 8192), (1000, 112), (8, 32), (1040, 8208)])
def test_a_shape_that_takes_much_memory_is_refused(identity: Identity, tmp_path: Path, size: tuple[int, int]) -> None:
    """16x8192 pixels, scaled to a shorter side of 360, were gigabytes."""
    mp4.write(Clip(np.zeros((2, *size, 3), np.uint8), Fraction(30)), tmp_path / "clip.mp4")
    with pytest.raises(ValueError, match=f"are {size[1]}x{size[0]}: check a video with sides of 16 to 8192 pixels"):
        check(tmp_path / "clip.mp4", identity)


def test_a_frame_that_asks_a_decoder_for_gigabytes_is_refused(
    published: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = ffmpeg(published, tmp_path / "bare.mp4", "-c", "copy")
    monkeypatch.setattr("wan_demo.mp4.reader.MOST_PIXELS", 1280 * 720 - 1)
    with pytest.raises(ValueError, match="cannot be read as a video"):
        check(bare, identity)


def test_no_more_frames_are_decoded_than_need_be(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_demo.mp4.reader.MOST_DECODED", 5)
    assert len(pictures_of(published)[0]) == 5


def test_pictures_that_change_their_shape_are_refused(identity: Identity, tmp_path: Path) -> None:
    both = b""
    for k, size in enumerate([(180, 320), (320, 180)]):
        mp4.write(natural(0, 4, *size), tmp_path / f"{k}.mp4")
        both += ffmpeg(tmp_path / f"{k}.mp4", tmp_path / f"{k}.ts", "-c", "copy").read_bytes()
    (tmp_path / "both.ts").write_bytes(both)
    with pytest.raises(ValueError, match="change their shape"):
        check(tmp_path / "both.ts", identity)


def test_a_manifest_that_was_rewritten_is_not_taken_for_ours(
    published: Path, identity: Identity, tmp_path: Path
) -> None:
    """Somebody writes other words into our claim: the signature over it no longer holds."""
    whole = published.read_bytes()
    assert whole.count(b"claim_generator_info") == 1
    (tmp_path / "clip.mp4").write_bytes(whole.replace(b"claim_generator_info", b"claim_generator_inf0"))
    assert read_signature(tmp_path / "clip.mp4", identity).state in ("foreign", "missing")
    named = whole.replace(b"dnamehwan_demo", b"dnamehwan_dema")
    assert named != whole
    (tmp_path / "clip.mp4").write_bytes(named)
    assert read_signature(tmp_path / "clip.mp4", identity) == Signature("foreign")


def test_other_peoples_files_bear_no_trace(identity: Identity, tmp_path: Path) -> None:
    mp4.write(natural(1), tmp_path / "bare.mp4")
    missing = ("C2PA manifest", "watermark", "AIGC label", "IPTC source type")
    assert check(tmp_path / "bare.mp4", identity) == Finding(NO_TRACE, "missing", "none", None, missing)
    other = load_identity(tmp_path / "keys")
    theirs = publish(natural(1), other.mark(FACTS), other, tmp_path / "theirs.mp4")
    assert read_signature(theirs, identity).state == "foreign"
    finding = check(theirs, identity)
    assert (finding.verdict, finding.watermark) == (NO_TRACE, "none")
    assert check(theirs, other).verdict == INTACT


def test_words_in_the_metadata_prove_nothing(identity: Identity, tmp_path: Path) -> None:
    mark = identity.mark(FACTS)
    mp4.write(natural(1), tmp_path / "clip.mp4", tags(mark))
    assert mark_in(mp4.read_tags(tmp_path / "clip.mp4")) == mark
    assert check(tmp_path / "clip.mp4", identity).verdict == NO_TRACE


def test_a_watermark_lifted_off_another_clip_is_told(identity: Identity, tmp_path: Path) -> None:
    """The forger even knows the clip without its mark, so takes exactly what was added."""
    mark, source, target = identity.mark(FACTS), natural(0), natural(1)
    added = embed(source, bytes.fromhex(mark), identity.carrier_key).frames.astype(int) - source.frames
    forged = np.clip(target.frames + added, 0, 255).astype(np.uint8)
    mp4.write(Clip(forged, Fraction(30)), tmp_path / "clip.mp4", tags(mark))
    assert check(tmp_path / "clip.mp4", identity).verdict == NO_TRACE


def test_our_signature_outweighs_the_estimate_of_copying(
    published: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far a mark fits its clip is an estimate: one small clip in eighty looked copied. A signature is proof."""
    mark = identity.mark(FACTS)
    monkeypatch.setattr("wan_demo.check.read_watermark", lambda *_: ("copied", mark))
    assert check(published, identity) == Finding(INTACT, "intact", "ours", mark, ())
    monkeypatch.setattr("wan_demo.check.read_watermark", lambda *_: ("copied", identity.mark({"prompt": "another"})))
    assert check(published, identity).missing == ("watermark",)


def test_the_command_and_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = load_identity(home() / KEYS)
    publish(natural(0), mine.mark(FACTS), mine, tmp_path / "clip.mp4")
    ffmpeg(tmp_path / "clip.mp4", tmp_path / "copy.mp4", "-c", "copy")
    assert command.main(["check", str(tmp_path / "clip.mp4"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == INTACT
    assert command.main(["check", str(tmp_path / "copy.mp4")]) == 3
    assert "Ours, but altered" in capsys.readouterr().out
    mp4.write(natural(1), tmp_path / "bare.mp4")
    assert command.main(["check", str(tmp_path / "bare.mp4")]) == 4
    (tmp_path / "text.mp4").write_text("not a video")
    for name in ("text.mp4", "nowhere.mp4", "/proc/self/mem"):
        capsys.readouterr()
        assert command.main(["check", str(tmp_path / name)]) == 2
        out, error = capsys.readouterr()
        assert out == ""
        assert error.count("\n") == 1
