from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from distill.judge import Reading, judge, judge_pair, marks, read
from distill.scenery import SCENES
from distill.world import (
    HELD_OUT,
    MOTIONS,
    SPEEDS,
    Camera,
    Combination,
    Frames,
    Pair,
    What,
    draw,
    pair,
    parts,
    varied,
)
from tests.distill.clips import degraded

FINISH = Camera(33, 16, 224, 128)
LAYOUT = Camera(17, 8, 112, 64)
SLOW = Camera(17, 8, 224, 128)  # the pixels of the one, the times of the other
BALL, STAR = Combination("ball", "red", "sea", "rises"), Combination("star", "blue", "sea", "moves left")


def some_varied(count: int) -> list[What]:
    rng = np.random.default_rng(0)
    return [varied(HELD_OUT[i], rng) for i in rng.integers(len(HELD_OUT), size=count)]


def some_pairs(count: int) -> list[What]:
    """Held-out pairs, every other one in lively scenery."""
    rng = np.random.default_rng(0)
    return [pair(rng, held_out=True, lively=i % 2 == 0) for i in range(count)]


def told(readings: tuple[Reading, ...], what: What) -> bool:
    """Whether all is right, what is not asked too: usual sizes and speeds, and stillness."""
    usual = all(
        r.lively == part.lively and (part.speed or r.speed in ("", None)) and (part.size or r.size in ("", None))
        for r, part in zip(readings, parts(what), strict=True)
    )
    return marks(readings, what)["all_right"] and usual


@pytest.mark.parametrize(
    ("whats", "camera", "treat", "least"),
    [
        (some_varied(40), FINISH, None, 0.97),
        (some_varied(16), FINISH, degraded, 0.93),
        (some_varied(40), LAYOUT, None, 0.97),
        (some_pairs(20), FINISH, None, 0.97),
        (some_pairs(12), FINISH, degraded, 0.93),
        (some_pairs(24), LAYOUT, None, 0.93),
    ],
    ids=["varied", "varied degraded", "varied layout", "pairs", "pairs degraded", "pairs layout"],
)
def test_it_reads_held_out_clips(
    whats: list[What], camera: Camera, treat: Callable[[Frames, int], Frames] | None, least: float
) -> None:
    wrong = []
    for seed, what in enumerate(whats):
        frames = draw(what, seed, camera).frames
        readings = read(treat(frames, seed) if treat else frames, camera.fps, what)
        if not told(readings, what):
            wrong.append((seed, what, [replace(r, centre=r.centre[:1], radius=r.radius[:1]) for r in readings]))
    assert len(wrong) <= (1 - least) * len(whats), wrong


def test_it_reads_the_left_thing_first_and_follows_both() -> None:
    shot = draw(Pair(STAR, BALL), 1, FINISH)
    readings = judge_pair(shot.frames, 16)
    for reading, truth in zip(readings, shot.truths, strict=True):
        assert np.abs(reading.centre - truth.centre).max() < 0.015
    assert [reading.thing for reading in readings] == ["star", "ball"]


def test_either_order_is_right_but_not_a_mixture() -> None:
    readings = judge_pair(draw(Pair(BALL, STAR), 1, FINISH).frames, 16)
    keys = ["thing", "colour", "scene", "motion", "all_right"]
    for asked in (Pair(BALL, STAR), Pair(STAR, BALL)):
        assert marks(readings, asked) == dict.fromkeys(keys, True)
        assert marks(readings[::-1], asked) == dict.fromkeys(keys, True)
    swapped = Pair(replace(BALL, colour="blue"), replace(STAR, colour="red"))
    assert marks(readings, swapped) == dict.fromkeys(keys, True) | {"colour": False, "all_right": False}
    swapped = Pair(replace(BALL, motion=STAR.motion), replace(STAR, motion=BALL.motion))
    assert marks(readings, swapped) == dict.fromkeys(keys, True) | {"motion": False, "all_right": False}
    lively = Pair(replace(BALL, lively=True), replace(STAR, lively=True))
    assert marks(readings, lively) == dict.fromkeys(keys, True) | {"lively": False, "all_right": False}


def unreadable(readings: tuple[Reading, ...]) -> bool:
    return all((r.thing, r.colour, r.motion) == (None, None, None) for r in readings)


def test_one_thing_three_or_two_in_one_are_no_pair() -> None:
    for motion in MOTIONS:
        assert unreadable(judge_pair(draw(replace(BALL, motion=motion), 1, FINISH).frames, 16))
    frames = draw(Pair(replace(BALL, motion="spins"), replace(STAR, motion="spins")), 1, FINISH).frames
    assert not unreadable(judge_pair(frames, 16))
    assert unreadable((judge(frames, 16),))
    empty = np.median(frames[:, :, :8], axis=(0, 2)).astype(np.uint8)[:, None]
    missing, third, merged = frames.copy(), frames.copy(), frames.copy()
    missing[::3, :, 112:] = empty
    third[::3, 2:34, 96:128] = (245, 130, 185)
    merged[::3, 55:75, 50:170] = (214, 40, 40)
    for spoilt in (missing, third, merged):
        assert unreadable(judge_pair(spoilt, 16))


@pytest.mark.parametrize("motion", ["moves left", "falls", "spins", "grows"])
def test_slow_usual_and_fast_are_told_apart(motion: str) -> None:
    usual = Combination("star", "red", "grass", motion)
    for speed in ("", *SPEEDS):
        for seed in range(2):
            reading = judge(degraded(draw(replace(usual, speed=speed), seed, SLOW).frames, seed), 8)
            assert (reading.motion, reading.speed) == (motion, speed)
            assert marks([reading], usual)["motion"] == (speed != "slowly")
            for asked in SPEEDS:
                assert marks([reading], replace(usual, speed=asked))["all_right"] == (speed == asked)


def test_a_clip_too_short_to_show_a_rest_has_no_speed() -> None:
    frames = draw(Combination("star", "red", "grass", "rises"), 1, FINISH).frames
    assert (judge(frames, 16).speed, judge(frames[:20], 16).speed) == ("", None)


@pytest.mark.parametrize("scene", SCENES)
def test_still_scenery_is_not_lively_and_moving_one_is(scene: str) -> None:
    rng = np.random.default_rng(0)
    for colour in ("white", "blue"):
        for lively in (False, True):
            what = Combination("heart", colour, scene, "falls", lively=lively)
            frames = degraded(draw(what, 1, SLOW).frames, 1)
            assert judge(frames, 8).lively == lively
            flicker = rng.uniform(0.95, 1.05, (17, 1, 1, 1))
            assert judge((frames * flicker).clip(0, 255).astype(np.uint8), 8).lively == lively
            frozen = np.repeat(frames[:1], 17, 0)
            assert judge(frozen, 8).lively is False
