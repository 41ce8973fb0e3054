import pytest
import torch
from diffusers import WanPipeline

from wan_demo.models import Models
from wan_demo.request import RequestError
from wan_demo.text import check_prompt, encode_prompts, unknown_words

PROMPT = "a red ball moves right over green grass"


def test_embeddings_are_those_of_wan_pipeline(tiny_models: Models) -> None:
    pipe = WanPipeline(tiny_models.tokenizer, tiny_models.text_encoder, tiny_models.vae, None, tiny_models.high)
    length = tiny_models.tokenizer.model_max_length
    expected = pipe._get_t5_prompt_embeds([PROMPT, ""], max_sequence_length=length)
    made = encode_prompts([PROMPT, ""], tiny_models.tokenizer, tiny_models.text_encoder)
    torch.testing.assert_close(made.embeds, expected)
    assert made.lengths.tolist() == [9, 1]
    assert (made.embeds[1, 1:] == 0).all()


def test_unknown_words_are_named_once_and_in_order(tiny_models: Models) -> None:
    assert unknown_words("A dragon near a RED Zebra, a dragon", tiny_models.tokenizer) == ["dragon", "near", "zebra"]
    assert unknown_words(PROMPT, tiny_models.tokenizer) == []


def test_a_prompt_beyond_the_window_is_refused(tiny_models: Models) -> None:
    check_prompt(PROMPT, tiny_models.tokenizer)
    with pytest.raises(RequestError, match="fewer words"):
        check_prompt("ball " * 40, tiny_models.tokenizer)
