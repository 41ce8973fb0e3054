import math

import pytest

from wan_demo.presets import PRESETS, find, guided
from wan_demo.request import Request, RequestError, parse_size


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": " \n\t "}, "empty"),
        ({"prompt": "a" * 10_000}, "10000 characters"),
        ({"tier": "fast"}, "fast"),
        ({"mode": "sideways"}, "sideways"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"width": 1281, "height": 721}, "even"),
        ({"width": 0, "height": 0}, "even"),
        ({"width": 720, "height": 1280}, "even"),
        ({"width": 720, "height": 720}, "16:9"),
        ({"duration_s": -1.0}, "duration"),
        ({"duration_s": math.nan}, "duration"),
        ({"duration_s": math.inf}, "duration"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        Request(**({"prompt": "a red ball"} | changes))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_prompt_is_kept_but_for_its_spaces() -> None:
    assert Request("  A red\n ball ").prompt == "A red ball"


@pytest.mark.parametrize("text", ["1280", "1280x", "x720", "-1x3", "1e3x720", "12 80x720"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(RequestError, match="1280x720"):
        parse_size(text)


def test_sizes() -> None:
    assert parse_size("1280X720") == (1280, 720)


def test_presets_refuse_what_they_cannot_make() -> None:
    with pytest.raises(RequestError, match="2 s at most"):
        PRESETS[0].check(Request("a ball", duration_s=1e9))
    with pytest.raises(RequestError, match="pocket"):
        find("giant", "full")


def test_presets_are_consistent() -> None:
    for preset in PRESETS:
        high, low, direct = preset.schedule.high, preset.schedule.low, preset.schedule.direct
        assert high[-1] == preset.boundary
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
