import zlib
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from distill.things import marks, silhouette_distance
from distill.world import (
    ALL,
    COLOURS,
    HELD_OUT,
    MOTIONS,
    SCENES,
    THINGS,
    TRAIN,
    Camera,
    Combination,
    draw,
    pair,
    parts,
    varied,
)

FINISH = Camera(33, 16, 224, 128)
LAYOUT = Camera(17, 8, 112, 64)
SHOTS = [
    Combination("star", "red", "sea", "spins"),
    Combination("moon", "pink", "night", "moves left"),
    Combination("ball", "white", "grass", "bounces"),
    Combination("heart", "blue", "desert", "grows"),
    Combination("ring", "yellow", "grass", "spins"),
]
OLD = (Combination("ball", "red", "sea", "spins"), Combination("moon", "pink", "night", "bounces"))


@pytest.mark.parametrize("what", SHOTS)
def test_a_seed_is_a_shot_at_any_size_and_frame_rate(what: Combination) -> None:
    fine, coarse = draw(what, 5, FINISH), draw(what, 5, LAYOUT)
    assert np.array_equal(fine.frames, draw(what, 5, FINISH).frames)
    assert not np.array_equal(fine.frames, draw(what, 6, FINISH).frames)
    assert np.allclose(fine.truth.centre[::2], coarse.truth.centre, atol=1e-6)
    assert np.allclose(fine.truth.angle[::2], coarse.truth.angle, atol=1e-6)
    small = np.stack([cv2.resize(f, (112, 64), interpolation=cv2.INTER_AREA) for f in fine.frames[::2]])
    assert np.abs(small.astype(int) - coarse.frames).mean() < 1


@pytest.mark.parametrize(("width", "height"), [(128, 224), (160, 160)])
@pytest.mark.parametrize("motion", MOTIONS)
def test_an_upright_or_square_frame_has_room_for_it(motion: str, width: int, height: int) -> None:
    for seed in range(20):
        truth = draw(Combination("ball", "red", "sea", motion), seed, Camera(17, 8, width, height)).truth
        reach = truth.radius[:, None] * min(width, height) / np.array([width, height])
        assert (truth.centre - reach > -0.04).all()
        assert (truth.centre + reach < 1.04).all()


def test_old_seeds_draw_the_pixels_that_they_drew_before_there_were_more_things() -> None:
    checksums = [zlib.crc32(draw(what, 5, LAYOUT).frames.tobytes()) for what in OLD]
    assert checksums == [564667965, 645087437]
    assert [ALL.index(what) for what in OLD] == [13, 1844]


@pytest.mark.parametrize("thing", THINGS)
def test_a_thing_is_of_one_piece_and_keeps_within_its_reach(thing: str) -> None:
    u, v = np.meshgrid(*[np.linspace(-1.5, 1.5, 151, dtype=np.float32)] * 2)
    inside = silhouette_distance(thing, u, v, filled=True) < 0
    assert np.hypot(u, v)[inside].max() < 1.3
    assert 1.4 < 9 * inside.mean() < 3.8
    assert cv2.connectedComponents(inside.astype(np.uint8))[0] == 2
    for distance, dark in marks(thing, u, v):
        assert (distance[inside] < 0).any()
        assert 0 < dark <= 2


def test_the_scene_shows_through_a_ring() -> None:
    shot = draw(Combination("ring", "red", "snow", "rises"), 1, FINISH)
    (x, y), radius = shot.truth.centre[0] * (224, 128), shot.truth.radius[0] * 128
    red, _, blue = shot.frames[0, round(y + 0.28 * radius), round(x)].astype(int)
    assert red < blue


def test_what_looks_to_one_side_moves_that_way() -> None:
    left, right = (draw(Combination("bird", "red", "snow", f"moves {way}"), 1, FINISH) for way in ("left", "right"))
    beaks = []
    for shot in (left, right):
        red, blue = (shot.frames[16, :, :, c].astype(int) for c in (0, 2))
        rows, columns = np.nonzero(red > blue + 25)
        beaks.append(columns.max() + columns.min() - 2 * columns[rows < np.median(rows) - 10].mean())
    assert beaks[0] < 0 < beaks[1], "the wing is raised behind the head"


def test_a_later_start_shows_the_same_shot_later() -> None:
    whole, rest = draw(SHOTS[0], 5, LAYOUT), draw(SHOTS[0], 5, Camera(9, 8, 112, 64, start_s=1))
    assert np.array_equal(whole.frames[8:], rest.frames)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_truth_matches_the_pixels(motion: str) -> None:
    shot = draw(Combination("ball", "red", "snow", motion), 3, Camera(9, 4, 224, 128))
    for i in range(9):
        red, blue = (shot.frames[i, :, :, c].astype(int) for c in (0, 2))
        rows, columns = np.nonzero(red > blue + 25)  # nothing else here is red
        (x, y), radius = shot.truth.centre[i] * (224, 128), shot.truth.radius[i] * 128
        if radius <= y <= 128 - radius:  # wholly inside
            assert abs(columns.mean() + 0.5 - x) < 1
            assert abs(rows.mean() + 0.5 - y) < 1
            assert abs(np.sqrt(len(rows) / np.pi) - radius) < 1


def test_held_out_is_a_tenth_and_training_shows_every_pair_of_values() -> None:
    assert sorted((*TRAIN, *HELD_OUT)) == sorted(ALL)
    assert not set(TRAIN) & set(HELD_OUT)
    assert 0.08 < len(HELD_OUT) / len(ALL) < 0.12
    attributes = {"thing": THINGS, "colour": COLOURS, "scene": SCENES, "motion": MOTIONS}
    for one, other in combinations(attributes, 2):
        shown = {(getattr(c, one), getattr(c, other)) for c in TRAIN}
        assert len(shown) == len(attributes[one]) * len(attributes[other])


@pytest.mark.parametrize("field", ["thing", "colour", "scene", "motion"])
def test_unknown_names_are_refused(field: str) -> None:
    names = {"thing": "ball", "colour": "red", "scene": "sea", "motion": "spins", field: "zebra"}
    with pytest.raises(ValueError, match=r"zebra|not in"):
        draw(Combination(**names), 0, LAYOUT)  # type: ignore[arg-type]


@pytest.mark.parametrize("scene", SCENES)
def test_lively_scenery_moves_and_the_thing_as_before(scene: str) -> None:
    still = Combination("box", "red", scene, "spins")
    calm, lively = draw(still, 2, FINISH), draw(replace(still, lively=True), 2, FINISH)
    for a, b in zip(calm.truths, lively.truths, strict=True):
        assert np.array_equal(a.centre, b.centre)
    sides = np.r_[0:25, 199:224]  # where the thing never is
    assert np.ptp(calm.frames[:, :, sides].astype(int), axis=0).max() == 0
    assert np.ptp(lively.frames[:, :, sides].astype(int), axis=0).max() > 40


def test_sizes_and_speeds() -> None:
    ball = Combination("ball", "red", "snow", "moves right")
    usual, small, slow, fast = (
        draw(what, 4, FINISH).truth
        for what in (ball, replace(ball, size="small"), replace(ball, speed="slowly"), replace(ball, speed="fast"))
    )
    assert np.allclose(small.radius, 0.66 * usual.radius)
    ways = [truth.centre[-1, 0] - truth.centre[0, 0] for truth in (slow, usual, fast)]
    assert ways[0] == pytest.approx(ways[1] / 2, rel=1e-3)
    assert ways[2] == pytest.approx(ways[1], rel=1e-3), "it is there early, and rests"
    assert fast.centre[21, 0] == pytest.approx(usual.centre[-1, 0], abs=1e-3)
    rng = np.random.default_rng(0)
    for what in (varied(ALL[i], rng) for i in rng.integers(len(ALL), size=300)):
        assert not (what.size and what.motion in ("grows", "shrinks"))
        assert not (what.speed and what.motion == "bounces")


def test_a_pair_keeps_to_its_halves_the_first_on_the_left() -> None:
    rng = np.random.default_rng(1)
    for seed in range(60):
        what = pair(rng, held_out=seed % 2 == 0)
        assert what.held_out == (seed % 2 == 0)
        assert what.first.scene == what.second.scene
        assert what.first.thing != what.second.thing
        assert what.first.colour != what.second.colour
        assert not any(half.held_out for half in parts(what))
        left, right = draw(what, seed, LAYOUT).truths
        reach = [truth.radius / 1.75 for truth in (left, right)]  # in widths, of what is as high as wide
        assert (left.centre[:, 0] + reach[0] < right.centre[:, 0] - reach[1]).all()
