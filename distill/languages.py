"""Teaches a text encoder that knows English more languages, while everything else stays as it is.

Only the embeddings of words that English lacks are learnt: what the encoder makes of English does not change by a bit,
nor do the experts. A caption in another language must lead every cross-attention of both experts to what the plain
English caption of the same scene leads it to, at queries that the experts ask with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from distill import parallel
from distill.captions import CODES, paraphrase, plain
from distill.checkpoint import Run
from distill.config import LanguagesRecipe
from distill.data import Captions, LatentSet, generator
from distill.text_encoder import Extended
from distill.tokenizer import build_tokenizer
from distill.world import TRAIN
from wan_demo import flow


@dataclass(frozen=True)
class Asked:
    """An expert, and the queries (N, Q, D) that each of its blocks puts to the prompt."""

    expert: WanTransformer3DModel
    queries: list[Tensor]

    def answers(self, embeds: Tensor, rows: Tensor) -> list[Tensor]:
        """What each block's cross-attention gives for prompts (B, L, D) at the queries of `rows` (B,)."""
        context = self.expert.condition_embedder.text_embedder(embeds)
        blocks = zip(self.expert.blocks, self.queries, strict=True)
        return [block.attn2(queries[rows], context, None, None) for block, queries in blocks]


@torch.no_grad()
def ask(
    expert: WanTransformer3DModel,
    clips: LatentSet,
    sigmas: tuple[float, float],
    captions: Captions,
    rng: np.random.Generator,
    count: int,
    kept: int = 24,
) -> Asked:
    """Run the expert on `count` clips noised to levels between `sigmas`; keep `kept` queries of each in every block."""
    asked: list[list[Tensor]] = [[] for _ in expert.blocks]

    def listen(i: int) -> None:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            asked[i].append(inputs[0][:, torch.randperm(inputs[0].shape[1])[:kept]])

        hooks.append(expert.blocks[i].attn2.register_forward_pre_hook(keep))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for i in range(len(expert.blocks)):
        listen(i)
    for row in rng.integers(len(clips), size=count):
        x0 = clips.x[row][None].float()
        sigma = rng.uniform(*sigmas)
        noised = flow.add_noise(x0, torch.from_numpy(rng.standard_normal(x0.shape, np.float32)), sigma)
        expert(noised, torch.tensor([flow.TIMESTEPS * sigma]), captions.embed([int(clips.which[row])], rng))
    for hook in hooks:
        hook.remove()
    return Asked(expert, [torch.cat(rows) for rows in asked])


def train(
    recipe: LanguagesRecipe, start: Captions, askers: Sequence[Asked], runs: Path
) -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel]:
    """Extend a tokenizer and encoder that know English, and maybe other words, to six languages."""
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(known=start.tokenizer)
    english = set(build_tokenizer(["en"]).get_vocab())
    if missing := english - set(start.tokenizer.get_vocab()):
        raise ValueError(
            f"the text encoder lacks English words ({', '.join(sorted(missing))}): run the verb words first"
        )
    other = sorted(i for word, i in tokenizer.get_vocab().items() if word not in english)
    model = Extended(start.encoder, other, len(tokenizer))
    for asker in askers:
        asker.expert.requires_grad_(False)

    def embed(texts: list[str]) -> Tensor:
        tokens = tokenizer(texts, padding="max_length", return_tensors="pt")
        made: Tensor = model(tokens.input_ids, tokens.attention_mask)
        return made

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        chosen = [TRAIN[i] for i in rng.integers(len(TRAIN), size=recipe.batch)]
        made = embed([paraphrase(c, rng, CODES[1 + rng.integers(len(CODES) - 1)]) for c in chosen])
        with torch.no_grad():
            wanted = embed([plain(c) for c in chosen])
        return torch.stack([_distance(asker, made, wanted, rng) for asker in askers]).mean()

    optimizer = torch.optim.AdamW([model.fresh], lr=recipe.lr, betas=(0.9, 0.99), weight_decay=0.0)
    Run(runs / "languages", model, optimizer).fit(recipe.steps, loss)
    return tokenizer, model.merged()


def _distance(asker: Asked, made: Tensor, wanted: Tensor, rng: np.random.Generator) -> Tensor:
    """Squared difference of the answers to two sets of prompts, in units of their variance over the prompts."""
    rows = torch.from_numpy(rng.integers(len(asker.queries[0]), size=len(made)))
    with torch.no_grad():
        truths = asker.answers(wanted, rows)
    pairs = zip(asker.answers(made, rows), truths, strict=True)
    return torch.stack([(a - b).square().mean() / (b - b.mean(0)).square().mean() for a, b in pairs]).mean()
