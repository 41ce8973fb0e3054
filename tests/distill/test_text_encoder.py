"""New words change nothing of the old ones."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import text_encoder
from distill.captions import CODES, plain
from distill.config import TextRecipe
from distill.tokenizer import build_tokenizer
from distill.world import ALL, THINGS
from wan_demo.presets import find
from wan_demo.text import encode_prompts, unknown_words

SHIPPED = find("pocket", "full").weights


@pytest.fixture
def known() -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel]:
    """The shipped ones."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(SHIPPED / "tokenizer")
    return tokenizer, UMT5EncoderModel.from_pretrained(SHIPPED / "text_encoder", dtype=torch.float32).eval()


def test_words_are_learnt_and_old_captions_stay(
    known: tuple[PreTrainedTokenizerFast, UMT5EncoderModel], tmp_path: Path
) -> None:
    texts = ["", *(plain(c, code) for c in ALL[:1920:97] for code in CODES)]
    before = encode_prompts(texts, *known).embeds
    more, tower, shares = text_encoder.teach(TextRecipe(seed=1, batch=32, steps=60, lr=3e-2), *known, tmp_path)
    assert torch.equal(before, encode_prompts(texts, more, tower).embeds)
    assert tower.shared.weight.shape[0] == len(more) == tower.config.vocab_size
    assert all(more.get_vocab()[word] == i for word, i in known[0].get_vocab().items())
    assert not any(unknown_words(plain(c), more) for c in ALL[::97])
    assert shares[0] > 3 / len(THINGS)


def test_only_the_given_words_learn() -> None:
    torch.manual_seed(0)
    encoder = text_encoder.build(len(build_tokenizer(["en"])))
    old = encoder.shared.weight.clone()
    model = text_encoder.Extended(encoder, [3, len(old)], len(old) + 2)
    ids, mask = torch.tensor([[3, 5, len(old), len(old) + 1]]), torch.ones(1, 4)
    model(ids, mask).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["fresh"]
    with torch.no_grad():
        model.fresh.add_(1)
    expected = model(ids, mask)
    merged = model.merged()
    torch.testing.assert_close(merged(ids, mask).last_hidden_state, expected)
    changed = (merged.shared.weight[: len(old)] != old).any(1).nonzero().flatten().tolist()
    assert changed == [3]
