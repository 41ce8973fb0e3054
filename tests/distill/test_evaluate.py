"""What an evaluation says of clips, against clips of which it is known."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from distill import features, report_html
from distill.evaluate import Sample, Seen, Traits, caption, choose, count, known
from distill.measures import Figures, bootstrap, diversity, measure, wilson
from distill.outcome import Column, Outcome
from distill.tokenizer import build_tokenizer
from distill.world import HELD_OUT, THINGS, Camera, Combination, draw
from wan_demo.presets import find

CAMERA = Camera(33, 16, 224, 128)
WHAT = Combination("star", "red", "sea", "moves left")


def outcome(clips: int = 12, repeats: int = 2) -> Outcome:
    rng = np.random.default_rng(0)
    sample = Sample(clips=clips, repeats=repeats)
    seen = []
    for i, what in enumerate(choose(HELD_OUT, sample)):
        marks = {name: True for name in ("thing", "colour", "scene")} | {"motion": i % 4 > 0, "all_right": i % 4 > 0}
        mine = Traits(Figures(0.2, 1.0, 1.5), rng.normal(1, 1, 3))
        world = Traits(Figures(0.1, 0.5, 1.0), rng.normal(0, 1, 3))
        row = Seen(i, what, caption(i, what, sample), marks, np.full((5, 16, 28, 3), i, np.uint8), mine, world)
        seen.append(row)
    return Outcome(Column("<full>", find("pocket", "full"), sample), seen)


def test_motion_is_the_worlds_speed() -> None:
    """The star goes 1.15 x 2 x reach of the width in two seconds, and covers about a sixth of the frame."""
    slow = measure(draw(WHAT, 1, CAMERA).frames, 16)
    fast = measure(draw(WHAT, 1, replace(CAMERA, fps=8.0)).frames[:17], 16)
    still = measure(np.repeat(draw(WHAT, 1, CAMERA).frames[:1], 33, 0), 16)
    assert still.motion == 0
    assert still.flicker == 0
    assert fast.motion == pytest.approx(2 * slow.motion, rel=0.25)


def test_flicker_and_seams_are_seen() -> None:
    frames = draw(WHAT, 1, CAMERA).frames
    flickers = np.clip(frames.astype(int) + 6 * (np.arange(33) % 2)[:, None, None, None], 0, 255).astype(np.uint8)
    assert measure(frames, 16).flicker < 0.2
    assert measure(flickers, 16).flicker == pytest.approx(6, abs=1)
    chunk = (np.arange(33) + 3) // 4
    seamed = np.clip(frames.astype(int) + 8 * (chunk % 2)[:, None, None, None], 0, 255).astype(np.uint8)
    assert measure(frames, 16).seam == pytest.approx(1, abs=0.15)
    assert measure(seamed, 16).seam > 2


def test_intervals() -> None:
    assert wilson(0.745, 200) == (0.68, 0.8)
    low, high = bootstrap(np.array([0.0, 1.0] * 50))
    assert 0.38 < low < 0.45
    assert 0.55 < high < 0.62


def test_frechet_is_that_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (20000, 3)), rng.normal((1, 0, 0), (2, 1, 1), (20000, 3))
    assert features.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert features.frechet(a, b) == pytest.approx(2, abs=0.1)  # 1 for the means, (2 - 1)^2 for the deviations
    assert diversity([np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((3, 2))]) == pytest.approx(2.5)


def test_the_shipped_eye_tells_held_out_clips_and_degraded_ones_are_far() -> None:
    eye = features.load()
    thing, *others = features.accuracy(eye)
    assert thing > 0.55  # a triangle of few pixels looks much like a heart
    assert min(others) > 0.9
    rows = list(enumerate(HELD_OUT[::5]))
    clips, again = ([draw(what, first + i, features.CAMERA).frames for i, what in rows] for first in (0, 1000))
    grey = [np.repeat(c.mean(-1, keepdims=True), 3, -1).astype(np.uint8) for c in clips]
    real, other, dull = (np.stack([features.look(eye, c, 4) for c in some]) for some in (clips, again, grey))
    assert features.frechet(real, dull) > 3 * features.frechet(real, other)


def test_repeats_show_one_combination_with_several_seeds() -> None:
    chosen = list(choose(HELD_OUT, Sample(clips=6, repeats=3)))
    assert chosen[0] == chosen[1] == chosen[2] != chosen[3]
    plain = [list(choose(HELD_OUT, Sample(clips=3)))[i] for i in range(3)]
    assert plain[:2] == [chosen[0], chosen[3]]


def test_shipped_models_are_asked_for_what_they_have_words_for() -> None:
    """The new things come last, so clips for the others are those of before: same choice, order and seeds."""
    shipped = PreTrainedTokenizerFast.from_pretrained(find("pocket", "full").weights / "tokenizer")
    asked = known(HELD_OUT, "en", shipped)
    assert known(HELD_OUT, "fr", shipped) == list(HELD_OUT[: len(known(HELD_OUT, "fr", shipped))])
    assert {c.thing for c in asked} in (set(THINGS[:6]), set(THINGS)), "all of a thing's captions, or none"
    assert asked == list(HELD_OUT[: len(asked)])
    assert known(HELD_OUT, "en", build_tokenizer(["en"])) == list(HELD_OUT)


def test_any_words_in_any_language() -> None:
    sample = Sample(language="fr", any_words=True)
    said = {caption(i, WHAT, sample) for i in range(20)}
    assert len(said) > 10
    assert said == {caption(i, WHAT, sample) for i in range(20)}
    assert caption(0, WHAT, Sample(language="es")) == "una estrella roja se mueve a la izquierda sobre el mar"


def test_an_outcome_counts() -> None:
    made = outcome()
    assert made.result.all_right == 0.75
    assert made.result == count([s.marks for s in made.seen])
    assert sum(of for _, of in made.by_value()["thing"].values()) == 12
    assert sum(right for right, _ in made.by_value()["motion"].values()) == 9
    assert made.moved()[0] == pytest.approx(2)
    assert made.figure("seam") == (1.5, (1.5, 1.5), 1.0)
    assert made.frechet is not None
    assert outcome(clips=3).frechet is None
    assert made.varied() is not None
    assert outcome(repeats=1).varied() is None


def test_the_page_holds_its_plots_and_pictures() -> None:
    page = report_html.page([outcome(), outcome()], 0.5)
    assert "<full>" not in page
    assert "&lt;full&gt;" in page
    assert not re.search(r'(src|href)="(?!data:)', page), "it must need nothing but itself"
    jpegs = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert len(jpegs) == 24
    with Image.open(io.BytesIO(base64.b64decode(jpegs[0]))) as picture:
        assert picture.size == (5 * 28, 16)
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', page)]
    assert widths[:2] == [300, 300], "three quarters of 400"
    json.dumps(outcome().by_value())
