"""What people say in six languages, and how it is cut into words."""

import re
from dataclasses import replace

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from distill.captions import BY_CODE, CODES, every_text, paraphrase, plain
from distill.captions.language import Language
from distill.evaluate import known
from distill.tokenizer import UNSPACED, build_tokenizer
from distill.world import ALL, Combination
from wan_demo.presets import find
from wan_demo.request import LANGUAGES
from wan_demo.text import unknown_words

RED_STAR = Combination("star", "red", "sea", "moves left")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


def test_the_languages_are_those_of_the_page() -> None:
    assert CODES == LANGUAGES


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "a red star moves left over the sea"),
        ("zh", "一颗红色的星星在海面上向左移动"),
        ("ja", "赤い星が海の上で左に動く"),
        ("es", "una estrella roja se mueve a la izquierda sobre el mar"),
        ("fr", "une étoile rouge se déplace vers la gauche au-dessus de la mer"),
        ("ar", "نجمة حمراء تتحرك إلى اليسار فوق البحر"),
    ],
)
def test_words_agree_with_the_thing(code: str, text: str) -> None:
    assert plain(RED_STAR, code) == text


@pytest.mark.parametrize(
    ("thing", "chinese"),
    [
        ("flower", "一朵白色的花"),
        ("fish", "一条白色的鱼"),
        ("bird", "一只白色的鸟"),
        ("boat", "一艘白色的船"),
        ("leaf", "一片白色的叶子"),
        ("ring", "一枚白色的戒指"),
        ("box", "一个白色的盒子"),
    ],
)
def test_chinese_counts_each_thing_as_one_does(thing: str, chinese: str) -> None:
    assert plain(Combination(thing, "white", "snow", "spins"), "zh").startswith(chinese)


def test_new_things_agree_too() -> None:
    bird, leaf = (Combination(thing, "white", "sea", "grows") for thing in ("bird", "leaf"))
    assert plain(leaf, "es") == "una hoja blanca crece sobre el mar"
    assert plain(leaf, "fr") == "une feuille blanche grandit au-dessus de la mer"
    assert plain(leaf, "ar") == "ورقة بيضاء تكبر فوق البحر"
    assert plain(bird, "ar") == "طائر أبيض يكبر فوق البحر"
    rng = np.random.default_rng(0)
    french, japanese = ({paraphrase(bird, rng, code) for _ in range(200)} for code in ("fr", "ja"))
    assert any("l'oiseau" in text.lower() for text in french)
    assert any("一羽の白" in text for text in japanese)


@pytest.mark.parametrize("code", ["zh", "ja"])
def test_a_thing_is_found_again_where_no_spaces_are_written(code: str, tokenizer: PreTrainedTokenizerFast) -> None:
    """Colour and counting word before it do not run into it."""
    rng, written = np.random.default_rng(5), replace(BY_CODE[code], forms=("{n}",), stop="")
    for i in rng.integers(len(ALL), size=600):
        seed = int(rng.integers(2**31))
        noun, apart = (
            one.paraphrase(ALL[i], np.random.default_rng(seed)) for one in (written, replace(written, spaced=True))
        )
        assert tokenizer.tokenize(noun)[-1] == tokenizer.tokenize(apart)[-1]


def test_articles_in_english_and_french() -> None:
    assert plain(Combination("box", "orange", "snow", "falls")).startswith("an orange box ")
    rng = np.random.default_rng(0)
    said = " ".join(paraphrase(RED_STAR, rng, "fr").lower() for _ in range(300))
    assert "l'étoile" in said
    assert not re.search(r"\b(la|de|le) [éeu]", said)


@pytest.mark.parametrize("code", CODES)
def test_a_paraphrase_means_its_combination_alone(code: str) -> None:
    """No caption is also one of another combination."""
    meant: dict[str, Combination] = {}
    rng = np.random.default_rng(1)
    for i in rng.integers(len(ALL), size=1500):
        text = paraphrase(ALL[i], rng, code)
        assert not re.search(r"[<>{}|/@]|  |^\s|\s$", text), text
        assert meant.setdefault(text.lower().rstrip(".。"), ALL[i]) == ALL[i], text
    assert len(meant) > 900


@pytest.mark.parametrize("code", CODES)
def test_every_caption_is_known_and_fits(code: str, tokenizer: PreTrainedTokenizerFast) -> None:
    rng = np.random.default_rng(2)
    ids = tokenizer([paraphrase(ALL[i], rng, code) for i in rng.integers(len(ALL), size=1500)]).input_ids
    assert all(tokenizer.unk_token_id not in row for row in ids)
    assert max(map(len, ids)) <= tokenizer.model_max_length


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


def test_only_unspaced_languages_are_cut_inside_words() -> None:
    assert all(UNSPACED.search("".join(every_text(code))) for code in ("zh", "ja"))
    assert not any(UNSPACED.search("".join(every_text(code))) for code in ("en", "es", "fr", "ar"))


def test_a_language_without_spaces_writes_none() -> None:
    words = {"ball": ("b", "f:c d")}
    toy = Language(
        words, {"red": ("r<o/a>",)}, {"sea": ("s",)}, {"spins": ("v|p",)}, ("{colour} {thing}",), ("{n} {p} {s}",)
    )
    what = Combination("ball", "red", "sea", "spins")
    assert toy.plain(what) == "ro b p s"
    assert "ra c d" in toy.every_text()


def test_the_shipped_tokenizer_has_these_words_and_cuts_alike(tokenizer: PreTrainedTokenizerFast) -> None:
    shipped = PreTrainedTokenizerFast.from_pretrained(find("pocket", "full").weights / "tokenizer")
    assert set(shipped.get_vocab()) <= set(tokenizer.get_vocab())
    rng = np.random.default_rng(3)
    for code in CODES:
        asked = known(ALL, code, shipped)
        texts = [paraphrase(asked[i], rng, code) for i in rng.integers(len(asked), size=100)]
        assert [shipped.tokenize(t) for t in texts] == [tokenizer.tokenize(t) for t in texts]
    more = build_tokenizer(known=shipped).get_vocab()
    assert set(more) == set(tokenizer.get_vocab())
    assert all(more[word] == i for word, i in shipped.get_vocab().items())
