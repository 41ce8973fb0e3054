"""New languages change nothing of the old one."""

import json
from pathlib import Path

import pytest
import torch

from distill import languages
from distill.config import LanguagesRecipe
from distill.data import Captions, LatentSet, generator
from distill.text_encoder import build
from distill.tokenizer import build_tokenizer
from distill.world import ALL
from tests.tiny import tiny_expert
from wan_demo.text import encode_prompts

PROMPT = "a red ball moves right over green grass"


@pytest.fixture(params=[None, "es"], ids=["english", "spanish then english"])
def english(request: pytest.FixtureRequest) -> Captions:
    """An encoder that knows English; wherever its ids lie, its words stay as they are."""
    tokenizer = build_tokenizer(["en"], build_tokenizer([request.param]) if request.param else None)
    torch.manual_seed(0)
    return Captions(tokenizer, build(len(tokenizer)).eval())


@pytest.fixture
def clips() -> LatentSet:
    x = torch.randn(3, 4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    return LatentSet(x, torch.tensor([0, 50, len(ALL) - 1]), torch.ones(3, 2, 4, 4, dtype=torch.bool))


def asked(english: Captions, clips: LatentSet) -> languages.Asked:
    expert = tiny_expert(0)
    expert.condition_embedder.text_embedder.linear_1 = torch.nn.Linear(128, 32)
    return languages.ask(expert, clips, (0.5, 1.0), english, generator(0, 0), count=3, kept=2)


def test_queries_are_those_that_the_blocks_ask(english: Captions, clips: LatentSet) -> None:
    asker = asked(english, clips)
    assert [q.shape for q in asker.queries] == [(3, 2, 32)] * 2
    assert not asker.expert.blocks[0].attn2._forward_pre_hooks, "the hooks are gone"
    prompts = encode_prompts([PROMPT, ""], english.tokenizer, english.encoder).embeds
    answers = asker.answers(prompts, torch.tensor([0, 0]))
    assert not torch.allclose(answers[0][0], answers[0][1])


def test_languages_are_learnt_and_english_stays(english: Captions, clips: LatentSet, tmp_path: Path) -> None:
    before = encode_prompts([PROMPT], english.tokenizer, english.encoder).embeds
    recipe = LanguagesRecipe(batch=12, steps=150, lr=0.1)
    tokenizer, encoder = languages.train(recipe, english, [asked(english, clips)], tmp_path)
    assert torch.equal(before, encode_prompts([PROMPT], tokenizer, encoder).embeds)
    assert encoder.shared.weight.shape[0] == len(tokenizer) > 500
    first, *_, last = (
        json.loads(line)["loss"] for line in (tmp_path / "languages" / "log.jsonl").read_text().splitlines()
    )
    assert last < 0.8 * first


def test_english_comes_first(clips: LatentSet, tmp_path: Path) -> None:
    tokenizer = build_tokenizer(["es"])
    start = Captions(tokenizer, build(len(tokenizer)).eval())
    with pytest.raises(ValueError, match="run the verb words first"):
        languages.train(LanguagesRecipe(steps=1), start, [], tmp_path)
