import math
from fractions import Fraction

import pytest

from wan_demo import mp4
from wan_demo.presets import PRESETS, find, tiers
from wan_demo.request import CODECS, Delivery, Request, RequestError, parse_fps, parse_size
from wan_demo.schedule import guided


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": " \n\t "}, "empty"),
        ({"prompt": "a" * 10_000}, "10000 characters"),
        ({"negative": "a" * 501}, "negative prompt has 501 characters"),
        ({"tier": "fast"}, "fast"),
        ({"mode": "sideways"}, "sideways"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"duration_s": -1.0}, "duration"),
        ({"duration_s": 0.1}, r"give 0\.2 s or more"),
        ({"duration_s": math.nan}, "duration"),
        ({"duration_s": math.inf}, "duration"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        Request(**({"prompt": "a red ball"} | changes))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 1281, "height": 721}, "even"),
        ({"width": 0, "height": 0}, "even"),
        ({"width": 7680, "height": 4320}, "180 to 2160"),
        (
            {"width": 960, "height": 720},
            "none of 16:9, 9:16, 1:1: the nearest .* 1280x720, 720x1280, 720x720",
        ),
        ({"fps": Fraction(31)}, "31 frames a second are not made: choose 24 or 25 or 29.97 or"),
        ({"codec": "mpeg2"}, "no codec called 'mpeg2': choose h264, h265 or av1"),
        ({"timing": "late"}, "no timing"),
    ],
)
def test_bad_deliveries(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        Delivery(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1280, 720), (854, 480), (3840, 2160), (720, 1280), (2160, 3840), (180, 180)])
def test_shapes_that_are_made(size: tuple[int, int]) -> None:
    assert Delivery(*size).width == size[0]


def test_the_writer_knows_every_codec() -> None:
    assert tuple(mp4.CODECS) == CODECS


def test_frame_rates() -> None:
    assert parse_fps("29.97") == Fraction(30000, 1001)
    with pytest.raises(RequestError, match=r"'29\.9' frames"):
        parse_fps("29.9")


def test_prompt_is_kept_but_for_its_spaces() -> None:
    assert Request("  A red\n ball ").prompt == "A red ball"
    assert Request("a ball", negative=" \n blue  box").negative == "blue box"


@pytest.mark.parametrize("text", ["1280", "1280x", "x720", "-1x3", "1e3x720", "12 80x720"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(RequestError, match="1280x720"):
        parse_size(text)


def test_sizes() -> None:
    assert parse_size("1280X720") == (1280, 720)


def test_presets_refuse_what_they_cannot_make() -> None:
    with pytest.raises(RequestError, match="10 s at most"):
        PRESETS[0].check(Request("a ball", duration_s=1e9))
    with pytest.raises(RequestError, match="pocket"):
        find("giant", "full")
    with pytest.raises(RequestError, match=r"^The distilled tier is not guided, .* or choose the full tier\.$"):
        find("pocket", "distilled").check(Request("a ball", negative="blue"))
    find("pocket", "full").check(Request("a ball", "full", negative="blue"))


def test_presets_are_consistent() -> None:
    for preset in PRESETS:
        high, low, direct = preset.schedule.high, preset.schedule.low, preset.schedule.direct
        assert high[-2] >= preset.boundary >= high[-1]
        for levels in (high, low, direct):
            assert list(levels) == sorted(levels, reverse=True)
        assert direct[0] == high[0] == 1
        assert direct[-1] == low[-1] == 0
        assert 0 < low[0] < 1


def test_the_low_noise_expert_restarts_where_its_factor_says() -> None:
    kept, painted = (guided(20, 3.0, 0.5, restart=factor).low for factor in (0.5, 2.0))
    assert kept[0] == pytest.approx(1 / 3)
    assert painted[0] == pytest.approx(2 / 3)
    assert kept[-1] == painted[-1] == 0


@pytest.mark.parametrize(
    ("width", "height", "layout", "finish"),
    [(1280, 720, "112x64", "224x128"), (1080, 1920, "64x112", "128x224"), (180, 180, "80x80", "160x160")],
)
def test_pocket_draws_each_shape_itself(width: int, height: int, layout: str, finish: str) -> None:
    for preset in tiers("pocket"):
        drawn = preset.drawn(Delivery(width, height), 2)
        assert [f"{shape.width}x{shape.height}" for shape in (drawn.layout, drawn.finish)] == [layout, finish]
