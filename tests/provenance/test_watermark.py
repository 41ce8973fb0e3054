"""The watermark is read back from what it was put into, and from nothing else."""

from fractions import Fraction
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.clips import embed, natural
from wan_demo.clip import Clip
from wan_demo.provenance.carrier import SYMBOLS, carrier, encode, likenesses
from wan_demo.provenance.detector import CLEAR, Picture, Reading, _payloads, find_mark

KEY, PAYLOAD = bytes(range(32)), bytes([1, 200, 33, 77, 128, 255, 0, 90])


def find(clip: Clip, key: bytes = KEY) -> Reading | None:
    planes = [cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb)) for frame in clip.frames]
    pictures = [Picture.of(np.asarray(y, np.uint8), np.asarray(blue, np.uint8)) for y, _, blue in planes]
    return find_mark([pictures], key, lambda payload: payload == PAYLOAD)


def plain(grey: int, size: tuple[int, int]) -> Clip:
    return Clip(np.full((4, *size, 3), grey, np.uint8), Fraction(30))


@pytest.mark.parametrize("size", [(180, 320), (360, 640), (720, 1280), (640, 360), (480, 480)])
def test_it_is_read_from_any_size_and_hardly_changes_the_picture(size: tuple[int, int]) -> None:
    clip = natural(3, 4, *size)
    marked = embed(clip, PAYLOAD, KEY)
    error = np.mean(np.square(marked.frames.astype(float) - clip.frames))
    assert 10 * np.log10(255**2 / error) >= 42
    reading = find(marked)
    assert reading is not None
    assert reading.payload == PAYLOAD
    assert not reading.copied


@pytest.mark.parametrize("grey", [0, 16, 128, 255])
def test_it_is_read_from_plain_grounds(grey: int) -> None:
    """Even from black and white, where half of it is cut off."""
    assert find(embed(plain(grey, (360, 640)), PAYLOAD, KEY)) is not None


def test_without_a_mark_or_with_another_key_nothing_is_read() -> None:
    assert find(natural(3, 4)) is None
    assert find(plain(128, (360, 640))) is None
    assert find(embed(natural(3, 4), PAYLOAD, KEY), bytes(32)) is None


def test_it_is_the_same_mark_every_time() -> None:
    clip = natural(3, 2)
    assert np.array_equal(embed(clip, PAYLOAD, KEY).frames, embed(clip, PAYLOAD, KEY).frames)


def test_how_the_picture_was_moved_is_found() -> None:
    soft = Clip(natural(3, 4).frames // 3 + 85, Fraction(30))
    marked = embed(soft, PAYLOAD, KEY)
    turn = cv2.getRotationMatrix2D((320, 180), -7, 1)
    turned = np.stack([cv2.warpAffine(frame, turn, (640, 360)) for frame in marked.frames])
    reading = find(Clip(np.asarray(turned, np.uint8), marked.fps))
    assert reading is not None
    assert reading.pose.angle == pytest.approx(7, abs=0.3)
    cropped = find(Clip(marked.frames[:, 40:310, 100:580], marked.fps))
    assert cropped is not None
    assert cropped.pose.scale == pytest.approx(360 / 270, rel=0.01)
    mirrored = find(Clip(marked.frames[:, :, ::-1], marked.fps))
    assert mirrored is not None
    assert mirrored.pose.mirrored
    upside_down = find(Clip(marked.frames[:, ::-1, ::-1], marked.fps))
    assert upside_down is not None
    assert abs(upside_down.pose.angle) == pytest.approx(180, abs=0.3)


def test_the_code_stands_noise() -> None:
    rng = np.random.default_rng(0)
    chips = encode(PAYLOAD)
    noisy = (chips + rng.normal(0, 1.5, chips.shape)).astype(np.float32)
    assert bytes(likenesses(noisy).argmax(1).tolist()) == PAYLOAD
    assert likenesses(chips).max(1).tolist() == pytest.approx([np.sqrt(128)] * SYMBOLS)


def test_no_frequency_serves_twice() -> None:
    found = carrier(KEY)
    everywhere = np.concatenate([found.pilots, found.places])
    assert len(np.unique(everywhere, axis=0)) == len(everywhere)
    assert not {tuple(place) for place in everywhere} & {tuple(-place) for place in everywhere}
    assert np.bincount(found.chip).tolist() == [3] * len(encode(PAYLOAD))


def mean_of(fit: npt.NDArray[np.float32], payload: bytes) -> float:
    return float(np.mean([row[byte] for row, byte in zip(fit, payload, strict=True)]))


def test_all_clear_payloads_are_tried_the_likeliest_first() -> None:
    fit = np.full((SYMBOLS, 256), -9.0, np.float32)
    fit[:, 7:10] = np.random.default_rng(0).uniform(2.5, 4.0, (SYMBOLS, 3))
    sums = sorted(mean_of(fit, bytes(payload)) for payload in product((7, 8, 9), repeat=SYMBOLS))
    tried = _payloads(fit)
    assert len(tried) == min(4096, sum(value >= CLEAR for value in sums)) > 100
    assert [value for _, value in tried] == pytest.approx(sums[::-1][: len(tried)], abs=1e-5)
    for payload, value in tried[::50]:
        assert value == pytest.approx(mean_of(fit, payload), abs=1e-5)


def test_where_nothing_is_clear_one_guess_is_left() -> None:
    fit = np.random.default_rng(0).uniform(-1, 1, (SYMBOLS, 256)).astype(np.float32)
    ((payload, value),) = _payloads(fit)
    assert payload == bytes(fit.argmax(1).tolist())
    assert value == pytest.approx(fit.max(1).mean())
