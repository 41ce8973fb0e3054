"""Trains the pocket family's UMT5 encoder, in English.

The encoder first learns to tell what a caption names: four linear heads read thing, colour, scene and motion from the
mean of its outputs. The heads are thrown away. The experts then start from embeddings in which these are easy to find.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from distill import parallel
from distill.captions import paraphrase
from distill.checkpoint import Run
from distill.config import TextRecipe
from distill.data import generator
from distill.tokenizer import build_tokenizer
from distill.world import COLOURS, MOTIONS, SCENES, THINGS, TRAIN, Combination


def build(vocabulary: int) -> UMT5EncoderModel:
    """A new text encoder of the pocket size."""
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=128,
        d_kv=32,
        d_ff=256,
        num_heads=4,
        num_layers=2,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        dropout_rate=0.0,
    )
    return UMT5EncoderModel(config)


def labels(combination: Combination) -> tuple[int, int, int, int]:
    """Indices of thing, colour, scene and motion."""
    return (
        THINGS.index(combination.thing),
        list(COLOURS).index(combination.colour),
        list(SCENES).index(combination.scene),
        MOTIONS.index(combination.motion),
    )


class Reader(nn.Module):
    """The encoder and the four heads."""

    def __init__(self, encoder: UMT5EncoderModel) -> None:
        super().__init__()
        self.encoder = encoder
        sizes = (len(THINGS), len(COLOURS), len(SCENES), len(MOTIONS))
        self.heads = nn.ModuleList(nn.Linear(encoder.config.d_model, n) for n in sizes)

    def forward(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """ids, mask (B, L) -> four logits (B, n)."""
        states = self.encoder(ids, mask).last_hidden_state * mask[..., None]
        mean = states.sum(1) / mask.sum(1, keepdim=True)
        return [head(mean) for head in self.heads]


def train(recipe: TextRecipe, runs: Path) -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel]:
    """Train and return tokenizer and encoder."""
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(["en"])
    reader = Reader(build(len(tokenizer)))

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        chosen = [TRAIN[i] for i in rng.integers(len(TRAIN), size=recipe.batch)]
        tokens = tokenizer([paraphrase(c, rng) for c in chosen], padding="longest", return_tensors="pt")
        truth = torch.tensor([labels(c) for c in chosen])
        logits = reader(tokens.input_ids, tokens.attention_mask)
        return torch.stack([F.cross_entropy(row, truth[:, i]) for i, row in enumerate(logits)]).sum()

    optimizer = torch.optim.AdamW(reader.parameters(), lr=recipe.lr, betas=(0.9, 0.99))
    Run(runs / "text", reader, optimizer).fit(recipe.steps, loss)
    return tokenizer, reader.encoder.eval()
