"""How what is said is cut into words."""

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from distill.captions import CODES
from distill.evaluate import Sample, caption, known
from distill.tokenizer import build_tokenizer
from distill.world import ALL
from wan_demo.presets import find
from wan_demo.text import unknown_words


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ｒｅｄ　BALL", "red ball"),
        ("A red ball, it spins!", "a red ball, it spins"),
        ("红色的球，弹跳。", "紅色的球,弹跳."),
        ("ﾎﾞｰﾙが回る", "ボールが回る"),
        ("¿Un CORAZON rojo?", "un corazón rojo"),
        ("une etoile, l’herbe", "UNE ÉTOILE, l'herbe"),
        ("كُرَةٌ حمراء، الى اليسار", "كرة حمراء, إلى اليسار"),
    ],
)
def test_ways_to_write_the_same(one: str, other: str, tokenizer: PreTrainedTokenizerFast) -> None:
    ids, same = ([w for w in tokenizer(text).input_ids if w != tokenizer.unk_token_id] for text in (one, other))
    assert "红" not in one or len(ids) == len(same)  # traditional characters are words of their own
    assert "红" in one or ids == same


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a red dragon spins, a DRAGON!", ["dragon"]),
        ("一条红色的恐龙在沙漠里旋转", ["恐龙"]),
        ("赤いドラゴンが海の上で回る", ["ドラゴン"]),
        ("un dragón rojo y un corazón", ["dragón"]),
        ("l'éléphant tourne", ["éléphant"]),
        ("تنّين أحمر يدور", ["تنّين"]),
        ("moonstar", ["moonstar"]),
    ],
)
def test_unknown_words_are_named_as_they_were_written(
    prompt: str, unknown: list[str], tokenizer: PreTrainedTokenizerFast
) -> None:
    assert unknown_words(prompt, tokenizer) == unknown


def test_more_languages_leave_the_first_ones_ids() -> None:
    english = build_tokenizer(["en"])
    both = build_tokenizer(["fr"], known=english)
    assert len(both) > len(english)
    assert all(both.get_vocab()[word] == i for word, i in english.get_vocab().items())


def test_the_shipped_tokenizer_has_these_words_and_cuts_alike(tokenizer: PreTrainedTokenizerFast) -> None:
    shipped = PreTrainedTokenizerFast.from_pretrained(find("pocket", "full").weights / "tokenizer")
    assert set(shipped.get_vocab()) <= set(tokenizer.get_vocab())
    rng = np.random.default_rng(3)
    for code in CODES:
        asked, sample = known(ALL, code, shipped), Sample(language=code, any_words=True, seed=3)
        texts = [caption(int(i), asked[i], sample, shipped) for i in rng.integers(len(asked), size=100)]
        assert [shipped.tokenize(t) for t in texts] == [tokenizer.tokenize(t) for t in texts]
    more = build_tokenizer(known=shipped).get_vocab()
    assert set(more) == set(tokenizer.get_vocab())
    assert all(more[word] == i for word, i in shipped.get_vocab().items())
