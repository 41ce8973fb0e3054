"""Prompt -> PromptEmbeds."""

from collections.abc import Sequence

import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from wan_demo.request import RequestError
from wan_demo.values import PromptEmbeds


@torch.no_grad()
def encode_prompts(
    prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, encoder: UMT5EncoderModel
) -> PromptEmbeds:
    """Encode prompts as diffusers' WanPipeline does: padded to the tokenizer's length L, zeros in place of padding."""
    tokens = tokenizer(
        [prompt_clean(p) for p in prompts],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_attention_mask=True,
        return_tensors="pt",
    ).to(encoder.device)
    states = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
    return PromptEmbeds(states * tokens.attention_mask[..., None].to(states.dtype), tokens.attention_mask.sum(1))


def check_prompt(prompt: str, tokenizer: PreTrainedTokenizerBase, name: str = "prompt") -> None:
    """Refuse a prompt that the model cannot read whole.

    Raises:
        RequestError: it is longer than the encoder's window.
    """
    length, window = len(tokenizer(prompt_clean(prompt)).input_ids), tokenizer.model_max_length
    if length > window:
        raise RequestError(f"The {name} has {length} tokens and this model reads {window}: say it in fewer words.")


def unknown_words(prompt: str, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The words of `prompt` that the tokenizer does not have, in order, each once."""
    text = prompt_clean(prompt)
    encoding = tokenizer(text, return_offsets_mapping=True)
    spans = zip(encoding.input_ids, encoding.offset_mapping, strict=True)
    return list(
        dict.fromkeys(text[a:b].lower() for token, (a, b) in spans if token == tokenizer.unk_token_id and b > a)
    )
