import pytest

from wan_demo.safety.letters import LOOKALIKES, SIMPLIFIED, TRADITIONAL
from wan_demo.safety.normalise import Reading, fold, read


def forms(text: str) -> set[str]:
    return {form for word in read(text).words for form in word}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A Red  Ball", "a red  ball"),
        ("ｂａｌｌ 𝓫𝓪𝓵𝓵 ⓑⓐⓛⓛ", "ball ball ball"),
        ("bаll", "ball"),  # Cyrillic a
        ("ΒΑLL", "ball"),  # Greek capitals
        ("ʙᴀʟʟ", "ball"),
        ("🅱🅰🅻🅻", "ball"),
        ("b\u200ba\u00adl\ufe0fl", "ball"),
        ("b̷a̴l̸l̵", "ball"),
        ("café señor garçon", "cafe senor garcon"),
        ("cœur", "coeur"),
        ("the cat's ball", "the cat ball"),
        ("l'enfant", "l'enfant"),
        ("a\tb\nc", "a b c"),
        ("١٢", "12"),
        ("كُرَةٌ حَمْـــراء", "كره حمراء"),
        ("أحمر إلى آخر", "احمر الي اخر"),
        ("がぎぐ ﾎﾞｰﾙ", "がぎぐ ボール"),
        ("か゛き\u3099", "がぎ"),
        ("スカーレット・ヨハンソン", "スカーレットヨハンソン"),
        ("体 體", "体 体"),
        ("12 岁", "12岁"),
        ("red球ball", "red 球 ball"),
    ],
)
def test_fold(text: str, plain: str) -> None:
    assert fold(text) == plain


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("b4ll", "ball"),
        ("b@ll", "ball"),
        ("ba11", "ball"),
        ("m00n!", "moon"),
        ("$t4r", "star"),
        ("b*ll", "ball"),
        ("sta*", "sta"),
        ("baaall", "ball"),
        ("staaar", "star"),
        ("b-a-l-l", "ball"),
        ("ba.ll", "ball"),
        ("b a l l", "ball"),
        ("b 4 l l", "ball"),
        ("ba l l", "ball"),
        ("b_a_l_l", "ball"),
        ("والكرة", "كره"),
        ("بالطفل", "طفل"),
        ("كرررة", "كره"),
    ],
)
def test_a_disguised_word_has_its_plain_spelling(text: str, word: str) -> None:
    assert word in forms(text)


@pytest.mark.parametrize("text", ["3 cats", "a red ball", "60 fps", "b4ll", "الكرة", "ball!"])
def test_the_plain_word_comes_first(text: str) -> None:
    words = [word.rstrip("!") for word in fold(text).split()]
    assert [word[0] for word in read(text).words] == words


def test_numbers_stay_numbers() -> None:
    assert forms("1000 2024") == {"1000", "2024"}


def test_wide_gaps_end_a_word_that_is_spelt_out() -> None:
    reading = read("r e d   b a l l")
    assert [word[0] for word in reading.words] == ["red", "ball"]
    assert "redball" in reading.spelt


def test_a_scrap_without_a_vowel_may_belong_to_its_neighbour() -> None:
    assert read("b all").pairs == ("ball",)
    assert read("the pen is red").pairs == ("", "", "")


@pytest.mark.parametrize("text", ["红 球", "红*球", "红·球", "红.球"])
def test_chinese_is_read_without_its_gaps(text: str) -> None:
    assert any("红球" in string for string in read(text).unspaced)


def test_a_comma_between_chinese_words_stays() -> None:
    assert not any("色情" in string for string in read("他很好色，情绪不高").unspaced)


def test_nothing_reads_as_nothing() -> None:
    assert read("") == Reading((), (), (), ())


def test_lookalikes_are_named_once() -> None:
    rows = "".join(LOOKALIKES.values())
    assert len(set(rows)) == len(rows)
    assert not rows.isascii()
    assert len(TRADITIONAL) == len(SIMPLIFIED) == len(set(TRADITIONAL))
