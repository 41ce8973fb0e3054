"""What an evaluation says of clips, against clips of which it is known."""

import base64
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from distill import evaluate, report_html
from distill.__main__ import columns, main, parse
from distill.batch import make
from distill.data import FINISH
from distill.evaluate import Asked, Sample, Seen, Share, Traits, caption, choose, count, crew, known, split
from distill.measures import Figures, wilson
from distill.outcome import Column, Outcome, values
from distill.tokenizer import build_tokenizer
from distill.world import HELD_OUT, THINGS, TRAIN, Camera, Combination, Pair, What, draw
from wan_demo.clip import Clip
from wan_demo.clock import Clock
from wan_demo.decode import decode
from wan_demo.models import Models, load
from wan_demo.pipeline import draw as chain
from wan_demo.pipeline import result_of
from wan_demo.presets import Preset, find
from wan_demo.request import Delivery, Request
from wan_demo.values import Latents

CAMERA = Camera(33, 16, 224, 128)
WHAT = Combination("star", "red", "sea", "moves left")
CHANGED = replace(WHAT, size="small", lively=True)
PAIR = Pair(WHAT, Combination("box", "blue", "sea", "spins"))


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


def test_a_split_shows_what_it_says() -> None:
    assert split("heldout") == HELD_OUT
    assert split("train") == TRAIN
    pairs, varied = split("pairs"), split("varied")
    assert all(isinstance(what, Pair) and what.held_out for what in pairs)
    assert {what.plain for what in varied if isinstance(what, Combination)} == set(HELD_OUT)
    assert all(isinstance(what, Combination) and what != what.plain for what in varied)
    assert len(set(pairs)) > 1500, "few are the same"


def test_clips_are_those_of_before() -> None:
    """What plain combinations are shown, with which words and seeds, never changes: results are compared."""
    tokenizer = build_tokenizer(["en"])
    first, second = evaluate.tell(Sample(clips=2, seed=5), tokenizer)
    order = np.random.default_rng(5).permutation(len(HELD_OUT))
    assert first == Asked(0, HELD_OUT[order[0]], caption(0, HELD_OUT[order[0]], Sample()), 5)
    assert (second.what, second.seed) == (HELD_OUT[order[1]], 6)


def test_models_without_the_words_are_not_asked() -> None:
    with pytest.raises(ValueError, match="no words"):
        evaluate.tell(Sample("pairs", language="zh"), build_tokenizer(["en"]))


def test_shares_are_of_the_clips_that_were_asked() -> None:
    plain = {"thing": True, "all_right": True}
    result = count([plain, plain, {"thing": False, "size": True, "all_right": False}])
    assert result.shares == {"thing": Share(2, 3), "size": Share(1, 1), "all_right": Share(2, 3)}
    assert (result.clips, result.all_right, result.interval) == (3, 2 / 3, wilson(2 / 3, 3))


def test_a_pair_counts_for_both_of_its_things() -> None:
    assert values(PAIR).count(("scene", "sea")) == 1
    assert {("thing", "star"), ("thing", "box"), ("motion", "spins"), ("motion", "moves left")} <= set(values(PAIR))
    assert values(CHANGED)[-2:] == [("size", "small"), ("lively", "yes")]
    marks = {"thing": True, "motion": True, "all_right": True}
    told = Outcome(Column("full", find("pocket", "full"), Sample("pairs")), [seen(PAIR, marks)]).by_value()
    assert told["motion"] == {"moves left": (1, 1), "spins": (1, 1)}
    assert "size" not in told


def seen(what: What, marks: dict[str, bool]) -> Seen:
    made = Traits(Figures(0.2, 1.0, 1.5), np.zeros(3))
    return Seen(0, what, "it moves", marks, np.zeros((5, 16, 28, 3), np.uint8), made, made)


def test_several_splits_and_languages_in_one_report() -> None:
    options = parse(
        ["evaluate", "--tier", "full", "distilled", "--split", "heldout", "pairs", "--language", "en", "fr"]
    )
    asked = columns(options)
    assert len(asked) == 8
    assert asked[3].title == "full, pairs, fr"
    assert [c.title for c in columns(parse(["evaluate"]))] == ["distilled"]
    shapes = columns(parse(["evaluate", "--shape", "16:9", "9:16", "1:1"]))
    assert [c.title for c in shapes] == ["distilled, 16:9", "distilled, 9:16", "distilled, 1:1"]
    sizes = [(c.preset.layout.width, c.preset.layout.height, c.preset.finish.side) for c in shapes]
    assert sizes == [(112, 64, 128), (64, 112, 128), (80, 80, 160)]
    right, wrong = {"thing": True, "all_right": True}, {"thing": False, "size": False, "all_right": False}
    outcomes = [
        Outcome(c, [seen(PAIR, right) if c.sample.split == "pairs" else seen(CHANGED, wrong)] * 2) for c in asked
    ]
    page = report_html.page(outcomes, None)
    assert "<td>full, one thing</td><td>4</td><td>0.000, 0.0 to 0.49</td>" in page
    assert "<td>full, two things</td><td>4</td><td>1.000, 0.51 to 1.0</td><td></td>" in page, "no size was asked for"
    assert "<td>distilled, fr</td><td>4</td><td>0.500, 0.15 to 0.85</td><td>0.000 of 2, 0.0 to 0.658</td>" in page
    assert "By number" not in report_html.page([outcome(), outcome()], None)


@pytest.mark.parametrize("tier", ["full", "distilled"])
def test_a_batch_makes_what_the_chain_makes(tier: str, tiny_full: Preset, tiny_distilled: Preset) -> None:
    preset = {"full": tiny_full, "distilled": tiny_distilled}[tier]
    models = load(preset)
    texts, seeds = [caption(i, what, Sample()) for i, what in enumerate((WHAT, HELD_OUT[0], HELD_OUT[9]))], [3, 4, 5]
    alone = [decode(chained(*each, preset, models), models.vae) for each in zip(texts, seeds, strict=True)]
    (single,), together = make(texts[:1], seeds[:1], preset, models), make(texts, seeds, preset, models)
    np.testing.assert_array_equal(single.frames, alone[0].frames)
    for one, same in zip(alone, together, strict=True):
        assert same.fps == one.fps
        assert np.abs(one.frames.astype(int) - same.frames).mean() < 0.5
    assert np.abs(alone[0].frames.astype(int) - together[1].frames).mean() > 1, "each has its own seed"


def chained(text: str, seed: int, preset: Preset, models: Models) -> Latents:
    return result_of(chain(Request(text, preset.tier, seed), preset, models, Clock()))


def test_a_machine_without_video_libraries_can_train_and_evaluate() -> None:
    """Lent GPUs have no more than the models need."""
    code = (
        "import sys, distill.__main__; print({'av', 'moviepy', 'gradio', 'spaces', 'imageio_ffmpeg'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_clips_of_the_world_are_judged_in_order_wherever(
    monkeypatch: pytest.MonkeyPatch, tiny_distilled: Preset, tiny_models: Models, tmp_path: Path
) -> None:
    """The world stands in for the models, so everything is right."""
    sample, asked = Sample("varied", clips=5), evaluate.tell(Sample("varied", clips=5), tiny_models.tokenizer)
    shots = {one.caption: draw(one.what, one.seed, FINISH).frames for one in asked}

    def drawn(texts: list[str], *_: object) -> list[Clip]:
        return [Clip(shots[text], Fraction(16)) for text in texts]

    monkeypatch.setattr(evaluate, "make", drawn)
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # which crew() sets
    here = evaluate.watch(tiny_distilled, tiny_models, sample, measured=True, log=tmp_path / "log")
    with crew(1) as judges:
        there = evaluate.watch(tiny_distilled, tiny_models, sample, batch=2, judges=judges)
    assert [s.marks for s in here] == [s.marks for s in there]
    assert [s.what for s in here] == [one.what for one in asked] == [s.what for s in there]
    assert here[0].frames.shape == (5, FINISH.height, FINISH.width, 3)
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [t["what"][0]["thing"] for t in told] == [t["asked"]["thing"] for t in told]
    assert [t["motion"] for t in told] == [s.marks["motion"] for s in here]
    assert [t["figures"]["motion"] for t in told] == [s.traits.figures.motion for s in here if s.traits]
    assert np.mean([s.marks["all_right"] for s in here]) >= 0.8


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--clips", "0"], "argument --clips: 0 is less than 1"),
        (["--workers", "many"], "argument --workers: invalid number value: 'many'"),
        (["--seed", "-1"], "argument --seed: -1 is less than 0"),
        (["--html", "nowhere/report.html"], "no folder nowhere to write report.html to"),
        (["--workers", "2", "--judges", "2"], "--judges is for one worker"),
        (["--tier", "full", "--students", "runs/students"], "ask for it with --tier"),
        (["--shape", "9:16", "--split", "pairs"], "two things have room in 16:9 alone"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_at_once(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(["evaluate", *flags])
    assert said in capsys.readouterr().err


def test_weights_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--weights", str(tmp_path / "runs")]) == 2
    assert f"The weights file {tmp_path / 'runs' / 'checksums.json'} is missing" in capsys.readouterr().err


def test_experts_that_are_not_there_are_named_before_a_clip_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--tier", "full", "distilled", "--students", "runs/studnts"]) == 2
    assert "no experts of the distilled tier in runs/studnts" in capsys.readouterr().err


def test_an_outcome_counts() -> None:
    made = outcome()
    assert made.result.all_right == 0.75
    assert made.result.shares["scene"] == (12, 12)
    assert made.result == count([s.marks for s in made.seen])
    assert sum(of for _, of in made.by_value()["thing"].values()) == 12
    assert sum(right for right, _ in made.by_value()["motion"].values()) == 9
    assert made.moved()[0] == pytest.approx(2)
    assert made.figure("seam") == (1.5, (1.5, 1.5), 1.0)
    assert made.frechet is not None
    assert outcome(clips=3).frechet is None
    assert made.varied() is not None
    assert outcome(repeats=1).varied() is None
    upright = replace(made, column=replace(made.column, preset=made.column.preset.drawn(Delivery(720, 1280), 2.0)))
    assert upright.frechet is None
    assert upright.varied() is None


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
