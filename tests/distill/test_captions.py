"""What people say in six languages."""

import re
from dataclasses import replace

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from distill.captions import BY_CODE, CODES, every_text, paraphrase, plain
from distill.captions.language import Language
from distill.data import choose
from distill.scenery import SCENES
from distill.tokenizer import UNSPACED, build_tokenizer
from distill.world import ALL, COLOURS, MOTIONS, THINGS, Combination, Pair, What, varied
from wan_demo.request import LANGUAGES

RED_STAR = Combination("star", "red", "sea", "moves left")
SMALL_STAR = replace(RED_STAR, size="small", speed="slowly", lively=True)
BIG_BIRD = Combination("bird", "white", "snow", "spins", "big", "fast")
STAR_AND_BOAT = Pair(RED_STAR, Combination("boat", "blue", "sea", "spins"))


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


SAID = {
    "en": (
        "a small red star slowly moves left over the sea while waves roll",
        "a big white bird quickly spins in the snow",
        "a red star moves left and a blue boat spins over the sea",
    ),
    "zh": (
        "海浪翻滚，一颗红色的小星星在海面上慢慢地向左移动",
        "一只白色的大鸟在雪地里快速地旋转",
        "在海面上，一颗红色的星星向左移动，一艘蓝色的船旋转",
    ),
    "ja": (
        "波がうねる中、小さな赤い星が海の上でゆっくり左に動く",
        "大きな白い鳥が雪の中で速く回る",
        "海の上で赤い星が左に動いて、青い船が回る",
    ),
    "es": (
        "una pequeña estrella roja se mueve lentamente a la izquierda sobre el mar mientras ruedan las olas",
        "un gran pájaro blanco gira rápidamente en la nieve",
        "una estrella roja se mueve a la izquierda y un barco azul gira sobre el mar",
    ),
    "fr": (
        "une petite étoile rouge se déplace lentement vers la gauche au-dessus de la mer"
        " pendant que les vagues déferlent",
        "un grand oiseau blanc tourne rapidement dans la neige",
        "une étoile rouge se déplace vers la gauche et un bateau bleu tourne au-dessus de la mer",
    ),
    "ar": (
        "نجمة حمراء صغيرة تتحرك ببطء إلى اليسار فوق البحر بينما تتلاطم الأمواج",
        "طائر أبيض كبير يدور بسرعة في الثلج",
        "نجمة حمراء تتحرك إلى اليسار وقارب أزرق يدور فوق البحر",
    ),
}
LIFE = {
    "en": ("stars twinkle", "waves roll", "clouds drift by", "sand blows in the wind", "snow falls"),
    "zh": ("星星闪烁", "海浪翻滚", "白云飘过", "风沙飞扬", "雪花飘落"),
    "ja": ("星が瞬く中", "波がうねる中", "雲が流れる中", "砂が風に舞う中", "雪が降る中"),
    "es": (
        "titilan las estrellas",
        "ruedan las olas",
        "pasan las nubes",
        "el viento arrastra la arena",
        "cae la nieve",
    ),
    "fr": (
        "les étoiles scintillent",
        "les vagues déferlent",
        "les nuages passent",
        "le sable vole",
        "la neige tombe",
    ),
    "ar": ("تتلألأ النجوم", "تتلاطم الأمواج", "تمر الغيوم", "تتطاير الرمال", "يتساقط الثلج"),
}


@pytest.mark.parametrize("code", CODES)
def test_size_speed_and_pairs(code: str) -> None:
    assert tuple(plain(what, code) for what in (SMALL_STAR, BIG_BIRD, STAR_AND_BOAT)) == SAID[code]


@pytest.mark.parametrize("code", CODES)
def test_life_is_said_of_each_scene(code: str) -> None:
    still = [Combination("ball", "red", scene, "spins") for scene in SCENES]
    for what, life in zip(still, LIFE[code], strict=True):
        assert life in plain(replace(what, lively=True), code)
        assert life not in plain(what, code)
    both = (replace(half, lively=True) for half in (STAR_AND_BOAT.first, STAR_AND_BOAT.second))
    assert LIFE[code][1] in plain(Pair(*both), code)


@pytest.mark.parametrize(
    ("code", "sizes"),
    [
        ("en", ("small", "little", "tiny", "big", "large")),
        ("zh", ("小", "大")),
        ("ja", ("小", "大")),
        ("es", ("pequeñ", "gran", "ito", "illa")),
        ("fr", ("petit", "grand", "ette")),
        ("ar", ("صغير", "كبير")),
    ],
)
def test_no_thing_is_called_small_or_big_by_its_own_name(code: str, sizes: tuple[str, ...]) -> None:
    words = [word for row in BY_CODE[code].things.values() for word in row]
    assert not [word for word in words if any(size in word for size in sizes)]


@pytest.mark.parametrize("code", CODES)
def test_a_pair_names_its_first_thing_first(code: str) -> None:
    rng, marked = np.random.default_rng(4), replace(BY_CODE[code], colours={"red": ("QX",), "blue": ("QY",)})
    for _ in range(300):
        text = marked.paraphrase(STAR_AND_BOAT, rng).upper()
        assert text.index("QX") < text.index("QY"), text


def test_prepositions_and_articles_run_together() -> None:
    rng = np.random.default_rng(6)
    pair = Pair(*(Combination(thing, colour, "sea", "spins") for thing, colour in (("box", "red"), ("boat", "blue"))))
    spanish, french = (" ".join(paraphrase(pair, rng, code).lower() for _ in range(1500)) for code in ("es", "fr"))
    assert re.search(r"\bdel cubo", spanish)
    assert re.search(r"\bal barco", spanish)
    assert not re.search(r"\b(de|a) el\b", spanish)
    assert re.search(r"\bdu bateau", french)
    assert re.search(r"\bqu'un bateau", french)
    assert not re.search(r"\bde le\b|\b(que|de) une?\b", french)


def test_speed_stands_beside_the_verb() -> None:
    rng = np.random.default_rng(0)
    english, french = ({paraphrase(SMALL_STAR, rng, code).lower() for _ in range(600)} for code in ("en", "fr"))
    assert any("moves slowly to the left" in text for text in english)
    assert any("slowly moves to the left" in text for text in english)
    assert any("glisse doucement vers la gauche" in text for text in french)


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


def narrow(rng: np.random.Generator) -> What:
    """Of so small a world that what differs in one word is drawn too."""
    things, colours = rng.permutation(THINGS[:2]), rng.permutation(list(COLOURS)[:2])
    lively, scene = bool(rng.random() < 0.5), list(SCENES)[rng.integers(2)]
    one, other = (
        Combination(str(thing), str(colour), scene, MOTIONS[rng.integers(len(MOTIONS))], lively=lively)
        for thing, colour in zip(things, colours, strict=True)
    )
    return Pair(one, other) if rng.random() < 0.5 else varied(one, rng)


@pytest.mark.parametrize("code", CODES)
def test_a_paraphrase_of_anything_means_it_alone(code: str) -> None:
    meant: dict[str, What] = {}
    rng = np.random.default_rng(1)
    for i in range(3000):
        what = narrow(rng) if i % 2 else choose(rng)
        text = paraphrase(what, rng, code)
        assert not re.search(r"[<>{}|/@~]|  |^\s|\s$| [,，]", text), text
        assert meant.setdefault(text.lower().rstrip(".。"), what) == what, text
    assert len(meant) > 2700


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("es", r"\bhay (el|la) "),  # "there is the"
        ("ja", r"ます(?![。、]|$)"),  # a polite verb before a noun
        ("zh", r"正夜|正?在越来越"),  # no verb
        ("ar", r"(نرى|شاهد) (?!كيف)|فيديو [يت]ظهر (?!فيه)"),  # an object, which would have another form
    ],
)
def test_what_a_native_reader_would_mend_is_not_said(code: str, wrong: str) -> None:
    rng = np.random.default_rng(4)
    texts = {paraphrase(choose(rng), rng, code) for _ in range(2000)}
    assert [text for text in texts if re.search(wrong, text)] == []


@pytest.mark.parametrize("code", CODES)
def test_every_caption_of_anything_is_known_and_fits(code: str, tokenizer: PreTrainedTokenizerFast) -> None:
    rng = np.random.default_rng(2)
    ids = tokenizer([paraphrase(choose(rng), rng, code) for _ in range(3000)]).input_ids
    assert all(tokenizer.unk_token_id not in row for row in ids)
    assert max(map(len, ids)) <= tokenizer.model_max_length


@pytest.mark.parametrize("code", CODES)
def test_every_caption_is_known_and_fits(code: str, tokenizer: PreTrainedTokenizerFast) -> None:
    rng = np.random.default_rng(2)
    ids = tokenizer([paraphrase(ALL[i], rng, code) for i in rng.integers(len(ALL), size=1500)]).input_ids
    assert all(tokenizer.unk_token_id not in row for row in ids)
    assert max(map(len, ids)) <= tokenizer.model_max_length


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
