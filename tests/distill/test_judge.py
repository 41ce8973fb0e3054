from collections.abc import Callable

import cv2
import numpy as np
import pytest

from distill.judge import Reading, judge, score
from distill.tracks import Room, motion_and_speed
from distill.world import ALL, COLOURS, HELD_OUT, MOTIONS, Camera, Combination, Frames, draw
from tests.distill.clips import degraded

FINISH = Camera(33, 16, 224, 128)
LAYOUT = Camera(17, 8, 112, 64)
UPRIGHT, SQUARE = Camera(33, 16, 128, 224), Camera(33, 16, 160, 160)


def named(what: str) -> Combination:
    """Of "thing, colour, scene, motion"."""
    thing, colour, scene, motion = what.split(", ")
    return Combination(thing, colour, scene, motion)


def shot(what: str, seed: int = 1, camera: Camera = FINISH) -> Frames:
    """The clip of "thing, colour, scene, motion"."""
    return draw(named(what), seed, camera).frames


@pytest.mark.parametrize(
    ("camera", "treat", "least"),
    [
        (FINISH, None, 0.98),
        (FINISH, degraded, 0.95),
        (LAYOUT, None, 0.98),
        (UPRIGHT, degraded, 0.95),
        (SQUARE, degraded, 0.95),
    ],
    ids=["clean", "degraded", "layout", "upright", "square"],
)
def test_it_reads_held_out_clips(camera: Camera, treat: Callable[[Frames, int], Frames] | None, least: float) -> None:
    wrong, combinations = [], HELD_OUT[:: 9 if camera is LAYOUT else 19]
    for seed, what in enumerate(combinations):
        frames = draw(what, seed, camera).frames
        reading = judge(treat(frames, seed) if treat else frames, camera.fps)
        if not score(reading, what).all_right:
            wrong.append((seed, what, reading.thing, reading.colour, reading.scene, reading.motion))
    assert len(wrong) <= (1 - least) * len(combinations), wrong


@pytest.mark.parametrize(
    "what", ["moon, white, night, moves left", "heart, white, sea, rises", "star, white, snow, grows"]
)
def test_it_reads_white_among_stars_waves_and_snow(what: str) -> None:
    assert score(judge(degraded(shot(what), 1), 16), named(what)).all_right


def test_a_bounce_may_waver_by_a_pixel_or_two() -> None:
    rng, still = np.random.default_rng(0), np.zeros(33, np.float32)
    for seed in range(20):
        truth = draw(named("ball, red, sea, bounces"), seed, FINISH).truth
        track = np.column_stack([truth.centre, truth.radius]).astype(np.float32)
        track[:, 1] += rng.normal(0, 1.5 / FINISH.height, 33)
        assert motion_and_speed(track, still, 16, Room())[0] == "bounces"
        assert motion_and_speed(rng.permutation(track), still, 16, Room())[0] is None


def test_the_track_follows_the_thing() -> None:
    truth = draw(Combination("ball", "red", "sea", "grows"), 2, FINISH).truth
    reading = judge(shot("ball, red, sea, grows", 2), 16)
    assert np.abs(reading.centre - truth.centre).max() < 0.01
    assert np.abs(reading.radius - truth.radius).max() < 0.015


def test_a_caption_of_another_clip_is_wrong_where_it_differs() -> None:
    reading = judge(shot("star, red, sea, spins"), 16)
    for other in ALL[::37]:
        result = score(reading, other)
        assert result.thing == (other.thing == "star")
        assert result.colour == (other.colour == "red")
        assert result.scene == (other.scene == "sea")
        assert result.motion == (other.motion == "spins")
        assert result.all_right == (other == Combination("star", "red", "sea", "spins"))


def test_a_still_clip_has_no_motion() -> None:
    for what in ("star, red, sea, spins", "ball, blue, grass, bounces"):
        reading = judge(degraded(np.repeat(shot(what)[:1], 33, 0), 1), 16)
        assert (reading.thing, reading.motion) == (what.split(", ")[0], None)


@pytest.mark.parametrize("scene", ["night", "sea", "grass"])
def test_an_empty_scene_has_no_thing(scene: str) -> None:
    over = shot(f"box, red, {scene}, moves left")  # its background: the left before, and the right after it has passed
    middle = over.shape[2] // 2
    empty = np.repeat(np.concatenate([over[0, :, :middle], over[-1, :, middle:]], 1)[None], 9, 0)
    reading = judge(degraded(empty, 1), 16)
    assert (reading.thing, reading.colour, reading.motion) == (None, None, None)
    assert reading.scene == scene
    assert np.isnan(reading.radius).all()


def test_a_ring_without_its_hole_is_no_ring() -> None:
    frames = shot("ring, red, snow, bounces")
    assert judge(frames, 16).thing == "ring"
    truth = draw(Combination("ring", "red", "snow", "bounces"), 1, FINISH).truth
    for frame, (x, y), radius in zip(frames, truth.centre * (224, 128), truth.radius * 128, strict=True):
        cv2.circle(frame, (round(x), round(y + 0.28 * radius)), round(0.5 * radius), COLOURS["red"], cv2.FILLED)
    assert judge(frames, 16).thing is None


@pytest.mark.parametrize("thing", ["fish", "bird", "boat"])
def test_what_looks_to_the_left_is_read_too(thing: str) -> None:
    for motion in ("moves left", "spins"):
        mirrored = np.ascontiguousarray(shot(f"{thing}, blue, desert, {motion}")[:, :, ::-1])
        reading = judge(mirrored, 16)
        assert (reading.thing, reading.motion) == (thing, motion.replace("left", "right"))


def test_noise_shows_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 128, 224, 3), dtype=np.uint8)
    reading = judge(noise, 16)
    assert (reading.thing, reading.colour, reading.scene, reading.motion) == (None,) * 4


def other_after(first: str, then: str, frames: int) -> Reading:
    """Read a clip that becomes another one."""
    clip = shot(first).copy()
    clip[frames:] = shot(then)[frames:]
    return judge(clip, 16)


def test_a_thing_that_vanishes_doubles_or_changes_is_not_right() -> None:
    clip = shot("heart, pink, desert, moves left")
    gone = clip.copy()
    gone[11:] = np.median(clip, axis=0)  # the empty desert
    assert judge(gone, 16).thing is None
    twice = shot("heart, pink, desert, spins").copy()
    twice[:12, :, :90] = twice[:12, :, ::-1][:, :, :90]  # its mirror image beside it
    twice[:12, 20:60, 10:50] = (245, 130, 185)
    assert judge(twice, 16).thing is None
    spun = "star, red, snow, bounces"
    assert other_after(spun, "star, blue, snow, bounces", 20).colour is None
    assert other_after(spun, "box, red, snow, bounces", 20).thing is None


@pytest.mark.parametrize("motion", MOTIONS)
def test_frames_in_another_order_show_another_motion(motion: str) -> None:
    frames = shot(f"triangle, orange, grass, {motion}", camera=LAYOUT)
    assert judge(frames, 8).motion == motion
    rng = np.random.default_rng(0)
    for _ in range(4):
        assert judge(frames[rng.permutation(17)], 8).motion is None
    backwards = {"moves left": "moves right", "rises": "falls", "grows": "shrinks"}
    if motion in backwards:
        assert judge(frames[::-1], 8).motion == backwards[motion]


@pytest.mark.parametrize("thing", ["star", "heart", "triangle", "box", "moon", "fish", "bird", "ring"])
def test_a_blob_is_no_shape(thing: str) -> None:
    frames = shot(f"{thing}, yellow, night, moves right")[::2]
    assert judge(frames, 8).thing == thing
    assert judge(np.stack([cv2.GaussianBlur(f, (0, 0), 10) for f in frames]), 8).thing != thing


def test_frames_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8 frames"):
        judge(np.zeros((1, 128, 224, 3), np.uint8), 16)
