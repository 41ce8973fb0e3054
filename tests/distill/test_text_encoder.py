"""What the encoder is taught to tell."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill import text_encoder
from distill.captions import CODES
from distill.config import TextRecipe
from distill.data import generator
from distill.text_encoder import NO_THING, OF_SCENE, OF_THING, UNASKED, Captions
from distill.world import MOTIONS, Combination, Pair

RED_BALL = Combination("ball", "red", "sea", "spins", "big", "slowly", True)
BLUE_STAR = Combination("star", "blue", "sea", "falls", lively=True)


def test_labels_of_one_thing_ask_nothing_of_a_second() -> None:
    made = text_encoder.labels(RED_BALL)
    assert made == [1, 1, 0, 0, MOTIONS.index("spins"), 2, 1, NO_THING, *[UNASKED] * 4]
    assert text_encoder.labels(replace(RED_BALL, lively=False))[1] == 0


def test_labels_of_a_pair_follow_its_order() -> None:
    red_ball = replace(RED_BALL, size="", speed="")
    one, other = (text_encoder.labels(Pair(*halves)) for halves in ((red_ball, BLUE_STAR), (BLUE_STAR, red_ball)))
    assert one[:2] == other[:2]
    assert (one[2:7], one[7:]) == (other[7:], other[2:7])


def test_a_reader_answers_for_every_label_whatever_the_padding() -> None:
    torch.manual_seed(0)
    reader = text_encoder.Reader(text_encoder.build(20))
    ids, mask = torch.tensor([[3, 4, 5, 1]]), torch.ones(1, 4, dtype=torch.long)
    logits, owners = reader(ids, mask)
    assert [row.shape[1] for row in logits] == [*OF_SCENE, *OF_THING, *OF_THING]
    padded, also = reader(torch.cat([ids, torch.zeros(1, 3, dtype=torch.long)], 1), torch.tensor([[1] * 4 + [0] * 3]))
    for row, same in zip([*logits, owners], [*padded, also[:, :4]], strict=True):
        torch.testing.assert_close(row, same)


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("A red ball spins and a blue star falls over the sea", ".000..111...."),
        ("Une balle rouge tourne et une étoile bleue tombe dans le ciel", ".000..111...."),
        ("红球旋转，蓝星星下落", "000.11.1."),
    ],
)
def test_a_word_is_its_own_things(text: str, owners: str, captions: Captions) -> None:
    said = text_encoder.vocabulary(captions.tokenizer)
    ids = captions.tokenizer(text, return_tensors="pt").input_ids[0]
    told = text_encoder.whose(Pair(replace(RED_BALL, size="", speed=""), BLUE_STAR), ids, said)
    assert "".join({0: "0", 1: "1"}.get(int(i), ".") for i in told) == owners
    assert (text_encoder.whose(BLUE_STAR, ids, said) == UNASKED).all()


@pytest.mark.parametrize("pairs", [False, True])
def test_what_is_asked_is_held_out(pairs: bool) -> None:
    rng = generator(0, 0)
    asked = [text_encoder.held_out(rng, pairs) for _ in range(50)]
    assert all(what.held_out and isinstance(what, Pair) == pairs for what in asked)


def test_training_makes_an_encoder_of_all_languages(tmp_path: Path) -> None:
    tokenizer, encoder, shares = text_encoder.train(TextRecipe(batch=8, steps=2, asked=8), tmp_path)
    assert encoder.config.vocab_size == len(tokenizer)
    assert encoder.config.d_model == 128
    assert list(shares) == [f"{code} {kind}" for code in CODES for kind in ("single", "pairs")]
    assert all(0 <= share <= 1 for share in shares.values())
