"""What is heard fits what is seen, and what was asked."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.sound import drums
from tests.test_pipeline import INSPECTOR, PROMPT
from wan_demo import mp4
from wan_demo.clip import RATE, Caption, Clip, Sound
from wan_demo.edit import Edit, compose, listen, times
from wan_demo.events import Published
from wan_demo.finish.captions import burn
from wan_demo.models import Models
from wan_demo.pipeline import generate
from wan_demo.policy import Policy, Wanted
from wan_demo.presets import Preset
from wan_demo.provenance.identity import Identity
from wan_demo.request import FRAME_RATES, Delivery, Request, RequestError, Soundtrack
from wan_demo.safety.inspector import Inspector
from wan_demo.sound.loudness import measure
from wan_demo.sound.narration import VOICES, captions, in_kana, language_of, speak
from wan_demo.sound.onsets import find_onsets
from wan_demo.sound.reading import read_sound
from wan_demo.sound.track import Given, take

SMALL = Request(PROMPT, "full", duration_s=1.0, delivery=Delivery(320, 180))
speaking = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")


def bouncing() -> Clip:
    """A disc falls, bounces at 0.43 s and again at 1.43 s."""
    frames = np.full((33, 96, 160, 3), (90, 170, 60), np.uint8)
    for k, frame in enumerate(frames):
        y = 70 - 50 * abs(np.sin(np.pi * (k / 16 - 0.43)))
        cv2.circle(frame, (60 * 16, round(y * 16)), 10 * 16, (220, 30, 30), -1, cv2.LINE_AA, 4)
    return Clip(frames, Fraction(16))


def written(folder: Path, sound: Sound) -> Path:
    """A sound in a file of its own."""
    path = folder / "music.wav"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        whole = (np.clip(sound.samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole.reshape(1, -1)), format="s16", layout="stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("fps", ["24", "30", "60"])
@pytest.mark.parametrize("timing", ["exact", "even"])
def test_a_thump_is_heard_when_a_bounce_is_seen(fps: str, timing: str) -> None:
    request = Request(
        "a thing bounces", delivery=Delivery(fps=FRAME_RATES[fps], timing=timing), sound=Soundtrack(effects=True)
    )
    clip = bouncing()
    made = compose(Edit(clip, times(clip, request)), request, Given())
    assert made.sound is not None
    assert len(made.sound.samples) == 2 * RATE
    onsets = [onset.moment for onset in find_onsets(made.sound) if onset.strength > 0.3]
    shown = np.arange(len(made.moments)) / float(FRAME_RATES[fps])
    for bounce in (0.43, 1.43):
        when = float(np.interp(bounce, [float(moment) for moment in made.moments], shown))
        assert min(abs(onset - when) for onset in onsets) < 0.02


def test_the_clip_is_moved_onto_the_beat(tmp_path: Path) -> None:
    clip, strikes = bouncing(), np.array([0.46, 1.36])
    sound = Soundtrack(written(tmp_path, drums(strikes, np.random.default_rng(0))), beats=True)
    request = Request("a thing bounces", sound=sound)
    made = compose(Edit(clip, times(clip, request)), request, Given(read_sound(sound.file or Path(), 2)))
    figures = made.figures["beats"]
    assert json.loads(json.dumps(made.figures)) == made.figures
    assert max(figures["miss_after_ms"]) <= 20 < max(figures["miss_before_ms"])
    moments = np.array([float(moment) for moment in made.moments])
    assert (np.diff(moments) > 0).all()
    assert moments[-1] <= clip.duration_s
    for bounce, strike in zip((0.43, 1.43), strikes, strict=True):
        assert abs(np.interp(strike, np.arange(60) / 30, moments) - bounce) < 0.02


def test_a_loop_has_its_beats_all_along(tmp_path: Path) -> None:
    """Half a second of drums, looped: the strikes of every round count."""
    strike = Sound(drums(np.array([0.1]), np.random.default_rng(0)).samples[: RATE // 2])
    sound = Soundtrack(written(tmp_path, strike), "loop", beats=True)
    request = Request("a thing bounces", sound=sound)
    clip, given = bouncing(), take(sound, strike, 2.0)
    assert given.file is not None
    assert len(given.file.samples) == 2 * RATE
    onsets = compose(Edit(clip, times(clip, request)), request, given).figures["beats"]["onsets"]
    assert len(onsets) >= 4
    assert max(onsets) > 1.2


@speaking
def test_narration_is_spoken_in_time() -> None:
    slow, fast = speak("a red ball", 5), speak("a red ball bounces over the sea", 2)
    assert 0.5 < slow.duration_s < 1.5
    assert fast.duration_s < 2
    with pytest.raises(RequestError, match=r"takes .* at its fastest and the clip lasts 1 s: shorten it\."):
        speak("a red ball bounces over the sea and far away", 1)
    assert len(speak("-w /tmp/x --version", 9).samples)  # a text, not an option


@speaking
@pytest.mark.parametrize("text", ["红色的球", "あかいボール", "una pelota", "un ballon", "كرة حمراء"])
def test_a_language_is_not_spelt_out(text: str) -> None:
    """espeak-ng falls back to English, and to the names of letters, where a voice does not know the script."""
    command = ["espeak-ng", "-q", "-x", "--stdin", "-v", VOICES[language_of(text)]]
    assert "(en)" not in subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


def test_kanji_are_read_as_they_are_said() -> None:
    pytest.importorskip("janome")
    assert in_kana("赤いボールが海の上で跳ねる") == "アカイボールガウミノウエデハネル"
    assert in_kana("今日は雪です") == "キョーワユキデス"
    with pytest.raises(RequestError, match="How 鿿 is read is not known: write it in kana"):
        in_kana("鿿です")


@speaking
def test_kanji_take_as_long_as_kana() -> None:
    pytest.importorskip("janome")
    assert len(speak("赤いボール", 5).samples) == len(speak("アカイボール", 5).samples)


def test_without_a_dictionary_kanji_cannot_be_read_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "janome.tokenizer", None)
    with pytest.raises(RequestError, match="write the narration in kana, or `pip install janome`"):
        speak("赤いボール", 5)


def test_without_a_program_that_speaks_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RequestError, match="needs the program espeak-ng"):
        speak("hello", 2)


def test_captions_have_all_the_words_in_order() -> None:
    text = " ".join(f"word{i}" for i in range(30))
    made = captions(text, 9.0)
    assert " ".join(caption.text for caption in made) == text
    assert all(len(caption.text) <= 60 for caption in made)
    assert all(a.end_s == b.start_s for a, b in pairwise(made))
    assert float(made[-1].end_s) == pytest.approx(9.1, abs=0.01)
    assert "".join(caption.text for caption in captions("红" * 50, 2)) == "红" * 50


@pytest.mark.parametrize("text", ["w" * 70, "https://example.org/" + "a" * 60])
def test_no_caption_is_wider_than_the_picture(text: str) -> None:
    frame = np.full((320, 180, 3), 90, np.uint8)
    for caption in captions(text, 2):
        (drawn,) = burn([frame], Fraction(1), [Caption(Fraction(0), Fraction(1), caption.text)])
        columns = (drawn != 90).any((0, 2)).nonzero()[0]
        assert columns.min() > 0
        assert columns.max() < 179


def test_captions_are_drawn_while_they_last() -> None:
    frames = np.full((30, 180, 320, 3), 90, np.uint8)
    (caption,) = captions("Hello there", 0.5)
    drawn = list(burn(frames, Fraction(30), [caption]))
    changed = [bool((frame != 90).any()) for frame in drawn]
    assert changed == [0.1 <= k / 30 < 0.6 for k in range(30)]
    rows, columns = np.nonzero((drawn[10] != 90).any(2))
    assert 90 < rows.min() < rows.max() <= 180 * 0.85 + 1  # the label's corner stays free
    assert abs((columns.min() + columns.max()) / 2 - 160) < 3
    assert (frames == 90).all()


def test_what_is_of_no_use_is_refused() -> None:
    for wrong, words in (
        ({"beats": True}, "no sound file"),
        ({"fit": "loop"}, "no sound file"),
        ({"captions": "burnt"}, "write a narration"),
        ({"narration": "a" * 501}, "shorten"),
        ({"fit": "stretch"}, "no way to fit"),
    ):
        with pytest.raises(RequestError, match=words):
            Soundtrack(**wrong)


def test_a_clip_lasts_as_long_as_its_sound(tiny_full: Preset, tmp_path: Path) -> None:
    path = written(tmp_path, Sound(np.full((RATE * 3 // 2, 2), 0.1, np.float32)))
    request, _ = listen(replace(SMALL, sound=Soundtrack(path, "clip")), tiny_full)
    assert request.duration_s == 1.5
    long = written(tmp_path, Sound(np.full((RATE * 9, 2), 0.1, np.float32)))
    tiny_full.check(replace(SMALL, duration_s=99, sound=Soundtrack(long, "clip")))  # the sound says how long it is
    request, given = listen(replace(SMALL, sound=Soundtrack(long, "clip")), tiny_full)
    assert request.duration_s == tiny_full.longest_s
    short = written(tmp_path, Sound(np.full((RATE // 10, 2), 0.1, np.float32)))
    with pytest.raises(RequestError, match="too short"):
        listen(replace(SMALL, sound=Soundtrack(short, "clip")), tiny_full)
    assert given.file is not None
    assert given.file.duration_s == tiny_full.longest_s


@speaking
def test_sound_goes_through_the_chain(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    music = written(tmp_path, drums(np.array([0.2, 0.5]), np.random.default_rng(0)))
    sound = Soundtrack(music, "loop", beats=True, effects=True, narration="a ball", captions="burnt")
    *_, last = generate(replace(SMALL, sound=sound), tiny_full, tiny_models, identity, tmp_path / "a.mp4", INSPECTOR)
    assert isinstance(last, Published)
    report = last.report
    assert json.loads(json.dumps(report)) == report
    assert report["settings"]["soundtrack"]["file"] == "music.wav"
    assert {"sound", "captions"} <= set(report["seconds"])
    made = mp4.probe(tmp_path / "a.mp4")
    assert made.sound is not None
    assert made.sound.end_s == pytest.approx(1.0, abs=1 / 30)
    assert measure(read_sound(tmp_path / "a.mp4", 1)).integrated_lufs == pytest.approx(-16, abs=0.5)
    assert report["beats"]["onsets"]


def test_a_bad_sound_is_refused_before_anything_is_drawn(
    tiny_full: Preset, tiny_models: Models, identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "text.mp3").write_text("no sound")
    for sound, words in (
        (Soundtrack(tmp_path / "text.mp3"), "text.mp3 is no sound"),
        (Soundtrack(narration="a n u d e woman"), "reads as sexual"),
    ):
        events = generate(replace(SMALL, sound=sound), tiny_full, tiny_models, identity, tmp_path / "a.mp4", INSPECTOR)
        with pytest.raises(RequestError, match=words):
            next(events)
    assert not (tmp_path / "a.mp4").exists()


def test_the_operators_terms_hold_for_what_is_spoken() -> None:
    inspector = Inspector(Policy(terms=Wanted(forbidden=("acme",))))
    with pytest.raises(RequestError, match='narration has the term "acme"'):
        inspector.check_request(replace(SMALL, sound=Soundtrack(narration="buy A-C-M-E")))
    inspector.check_request(replace(SMALL, sound=Soundtrack(narration="buy apples")))
