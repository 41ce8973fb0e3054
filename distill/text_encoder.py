"""Trains the pocket family's UMT5 encoder, on captions in all languages, and embeds captions for the other trainers.

It learns to tell what a caption says of one or two things, and of each word of which of them. The heads that tell it
are thrown away; the experts start from embeddings in which it is easy to find, and the encoder is frozen from then on.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from distill import parallel
from distill.captions import BY_CODE, CODES, paraphrase
from distill.checkpoint import Run
from distill.config import TextRecipe
from distill.data import choose, generator, language
from distill.tokenizer import build_tokenizer
from distill.world import HELD_OUT, THINGS, VALUES, What, pair, parts, varied
from wan_demo.text import encode_prompts

READ = ("thing", "colour", "motion", "size", "speed")  # of each thing
OF_SCENE = (len(VALUES["scene"]), 2)  # how many scenes there are, and ways to be lively
OF_THING = tuple(len(VALUES[name]) + (name == "thing") for name in READ)  # one more thing: none
NO_THING = len(THINGS)
UNASKED = -100  # what cross_entropy passes over


def build(vocabulary: int) -> UMT5EncoderModel:
    """A new text encoder of the pocket size."""
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=128,
        d_kv=32,
        d_ff=256,
        num_heads=4,
        num_layers=3,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=64,
        dropout_rate=0.0,
    )
    return UMT5EncoderModel(config)


def labels(what: What) -> list[int]:
    """Indices of scene and liveliness, and of thing, colour, motion, size and speed of the first and the second."""
    shown = parts(what)
    out = [VALUES["scene"].index(shown[0].scene), int(what.lively)]
    out += [VALUES[name].index(getattr(one, name)) for one in shown for name in READ]
    return out if len(shown) == 2 else [*out, NO_THING, *[UNASKED] * (len(OF_THING) - 1)]


class Reader(nn.Module):
    """An encoder; and for each label, a query that finds the tokens which tell it, and a head that reads them.

    First and second thing have the same heads and differ in their queries: so a token's embedding must tell which of
    the two it speaks of. A trained encoder did not learn that in 800 steps until each token was asked, by `owner`.
    """

    def __init__(self, encoder: UMT5EncoderModel) -> None:
        super().__init__()
        width = encoder.config.d_model
        self.encoder = encoder
        self.queries = nn.Parameter(torch.randn(len(OF_SCENE) + 2 * len(OF_THING), width) / width**0.5)
        self.heads = nn.ModuleList(nn.Linear(width, n) for n in OF_SCENE + OF_THING)
        self.owner = nn.Linear(width, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """ids, mask (B, L) -> logits (B, n) of each of the labels, and (B, L, 2) of each token's thing."""
        states = self.encoder(ids, mask).last_hidden_state
        scores = (states @ self.queries.T).masked_fill(mask[..., None] == 0, -torch.inf)
        found = scores.softmax(1).transpose(1, 2) @ states
        heads = [*self.heads, *self.heads[len(OF_SCENE) :]]
        return [head(row) for head, row in zip(heads, found.unbind(1), strict=True)], self.owner(states)


def train(recipe: TextRecipe, runs: Path) -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel, dict[str, float]]:
    """Train tokenizer and encoder; return them, and what `accuracy` says of each language."""
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer()
    reader, said = Reader(build(len(tokenizer))), vocabulary(tokenizer)

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        chosen = [choose(rng) for _ in range(recipe.batch)]
        tokens = tokenizer([paraphrase(c, rng, language(rng)) for c in chosen], padding="longest", return_tensors="pt")
        logits, owners = reader(tokens.input_ids, tokens.attention_mask)
        truth = torch.tensor([labels(c) for c in chosen])
        told = torch.stack([F.cross_entropy(row, truth[:, i]) for i, row in enumerate(logits)]).sum()
        asked = torch.stack([whose(c, ids, said) for c, ids in zip(chosen, tokens.input_ids, strict=True)])
        wrong = F.cross_entropy(owners.flatten(0, 1), asked.flatten(), ignore_index=UNASKED, reduction="sum")
        return told + recipe.owner_weight * wrong / (asked != UNASKED).sum().clamp(min=1)

    optimizer = torch.optim.AdamW(reader.parameters(), lr=recipe.lr, betas=(0.9, 0.99))
    Run(runs / "text", reader, optimizer).fit(recipe.steps, loss)
    shares: dict[str, float] = {}
    for code in CODES if parallel.rank() == 0 else ():
        for pairs in (False, True):
            shares[f"{code} {'pairs' if pairs else 'single'}"] = accuracy(reader, tokenizer, code, pairs, recipe.asked)
    return tokenizer, reader.encoder.eval(), shares


def vocabulary(tokenizer: PreTrainedTokenizerFast) -> dict[tuple[str, str], Tensor]:
    """Ids of the tokens that any language says for one value of READ, and for no other."""
    said: dict[tuple[str, str], set[int]] = {}
    for name in READ:
        for value in VALUES[name]:
            texts = [text for language in BY_CODE.values() for text in language.words(name, value)]
            said[name, value] = {i for text in texts for i in tokenizer(text, add_special_tokens=False).input_ids}
    times = Counter(i for ids in said.values() for i in ids)
    return {key: torch.tensor([i for i in sorted(ids) if times[i] == 1], dtype=torch.long) for key, ids in said.items()}


def whose(what: What, ids: Tensor, said: dict[tuple[str, str], Tensor]) -> Tensor:
    """Of each token of ids (L): 0 if it may be said of the first of two things alone, 1 of the second, or UNASKED."""
    shown = parts(what)
    first, second = (
        torch.isin(ids, torch.cat([said[name, getattr(one, name)] for name in READ])) for one in (shown[0], shown[-1])
    )
    return torch.where(first == second, UNASKED, second.long())


@torch.no_grad()
def accuracy(
    reader: Reader, tokenizer: PreTrainedTokenizerFast, code: str, pairs: bool, count: int, seed: int = 0
) -> float:
    """Share of `count` paraphrases, of held-out pairs or combinations, of which every label is read right."""
    rng = generator(seed, 0)
    asked = [held_out(rng, pairs) for _ in range(count)]
    tokens = tokenizer([paraphrase(what, rng, code) for what in asked], padding="longest", return_tensors="pt")
    logits, _ = reader(tokens.input_ids, tokens.attention_mask)
    truth = torch.tensor([labels(what) for what in asked])
    right = torch.stack([row.argmax(1) for row in logits], 1) == truth
    return float((right | (truth == UNASKED)).all(1).float().mean())


def held_out(rng: np.random.Generator, pairs: bool) -> What:
    """A pair of things that training never sees together, or such a combination with any size, speed and life."""
    return pair(rng, held_out=True) if pairs else varied(HELD_OUT[rng.integers(len(HELD_OUT))], rng)


class Captions:
    """Embeddings of captions by the frozen text encoder."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: UMT5EncoderModel) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder

    @torch.no_grad()
    def embed(self, texts: Tensor, rng: torch.Generator, dropped: float = 0.0) -> Tensor:
        """Embeddings (B, L, D) of one of each row's captions, texts (B, K, L); of a share, of the empty prompt."""
        count, device = len(texts), texts.device
        ids = texts[
            torch.arange(count, device=device), torch.randint(texts.shape[1], (count,), generator=rng, device=device)
        ]
        ids = torch.where(torch.rand(count, 1, generator=rng, device=device) < dropped, self._blank(texts), ids)
        mask = (ids != self.tokenizer.pad_token_id).long()
        made: Tensor = self.encoder(ids.long(), mask).last_hidden_state * mask[..., None]
        return made

    def empty(self, count: int) -> Tensor:
        """The empty prompt's embeddings, (count, L, D)."""
        return encode_prompts([""] * count, self.tokenizer, self.encoder).embeds

    def _blank(self, texts: Tensor) -> Tensor:
        blank = torch.full((texts.shape[2],), self.tokenizer.pad_token_id, dtype=texts.dtype)
        blank[0] = self.tokenizer.eos_token_id
        return blank.to(texts.device)
