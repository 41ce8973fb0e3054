"""Trains the pocket family's UMT5 encoder, in English.

The encoder first learns to tell what a caption names: four linear heads read thing, colour, scene and motion from the
mean of its outputs. The heads are thrown away. The experts then start from embeddings in which these are easy to find.
Later it can be taught more words in the same way, with nothing else changed.
"""

from collections.abc import Sequence
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
from distill.world import COLOURS, HELD_OUT, MOTIONS, SCENES, THINGS, TRAIN, Combination


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


class Extended(nn.Module):
    """An encoder in a vocabulary as large or larger, of which only the embeddings of some words (ids) are learnt."""

    table: Tensor
    ids: Tensor

    def __init__(self, encoder: UMT5EncoderModel, learnt: Sequence[int], vocabulary: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        rows: Tensor = encoder.shared.weight
        new = rows.mean(0) + rows.std(0) * torch.randn(vocabulary - len(rows), rows.shape[1])
        self.register_buffer("table", torch.cat([rows, new]))
        self.register_buffer("ids", torch.tensor(learnt, dtype=torch.long))
        self.fresh = nn.Parameter(self.table[self.ids])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask (B, L) -> embeddings (B, L, D), zeros in place of padding."""
        table = self.table.index_copy(0, self.ids, self.fresh)
        states: Tensor = self.encoder(inputs_embeds=table[ids], attention_mask=mask).last_hidden_state
        return states * mask[..., None]

    @torch.no_grad()
    def merged(self) -> UMT5EncoderModel:
        """The encoder with what was learnt, in its larger vocabulary."""
        self.encoder.resize_token_embeddings(len(self.table), mean_resizing=False)
        self.encoder.shared.weight.copy_(self.table.index_copy(0, self.ids, self.fresh))
        return self.encoder.eval()


class Reader(nn.Module):
    """An encoder and four heads."""

    def __init__(self, encoder: UMT5EncoderModel | Extended, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        sizes = (len(THINGS), len(COLOURS), len(SCENES), len(MOTIONS))
        self.heads = nn.ModuleList(nn.Linear(width, n) for n in sizes)

    def forward(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """ids, mask (B, L) -> four logits (B, n)."""
        made = self.encoder(ids, mask)
        states = (made if isinstance(made, Tensor) else made.last_hidden_state) * mask[..., None]
        mean = states.sum(1) / mask.sum(1, keepdim=True)
        return [head(mean) for head in self.heads]


def train(recipe: TextRecipe, runs: Path) -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel]:
    """Train and return tokenizer and encoder."""
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(["en"])
    encoder = build(len(tokenizer))
    _fit(recipe, Reader(encoder, encoder.config.d_model), tokenizer, runs / "text")
    return tokenizer, encoder.eval()


def teach(
    recipe: TextRecipe, known: PreTrainedTokenizerFast, encoder: UMT5EncoderModel, runs: Path
) -> tuple[PreTrainedTokenizerFast, UMT5EncoderModel, list[float]]:
    """Teach a trained encoder the English words that its tokenizer does not have; all else stays as it is, bit for bit.

    Returns tokenizer, encoder, and what `accuracy` says of them with heads of their own.
    """
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(["en"], known)
    model = Extended(encoder, range(len(known), len(tokenizer)), len(tokenizer))
    reader = Reader(model, encoder.config.d_model)
    _fit(recipe, reader, tokenizer, runs / "words")
    return tokenizer, model.merged(), accuracy(reader, tokenizer)


def _fit(recipe: TextRecipe, reader: Reader, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, parallel.shard(step))
        chosen = [TRAIN[i] for i in rng.integers(len(TRAIN), size=recipe.batch)]
        logits = read(reader, tokenizer, [paraphrase(c, rng) for c in chosen])
        truth = torch.tensor([labels(c) for c in chosen])
        return torch.stack([F.cross_entropy(row, truth[:, i]) for i, row in enumerate(logits)]).sum()

    learnt = [p for p in reader.parameters() if p.requires_grad]
    Run(folder, reader, torch.optim.AdamW(learnt, lr=recipe.lr, betas=(0.9, 0.99))).fit(recipe.steps, loss)


def read(reader: Reader, tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[Tensor]:
    """Four logits (B, n) of B texts."""
    tokens = tokenizer(texts, padding="longest", return_tensors="pt")
    return list(reader(tokens.input_ids, tokens.attention_mask))


@torch.no_grad()
def accuracy(reader: Reader, tokenizer: PreTrainedTokenizerFast, each: int = 10, seed: int = 0) -> list[float]:
    """Shares of English paraphrases of held-out combinations that are read right: thing, colour, scene, motion, all."""
    rng, asked = generator(seed, 0), [c for c in HELD_OUT for _ in range(each)]
    logits = read(reader, tokenizer, [paraphrase(c, rng) for c in asked])
    right = torch.stack([row.argmax(1) for row in logits], 1) == torch.tensor([labels(c) for c in asked])
    return [*right.float().mean(0).tolist(), float(right.all(1).float().mean())]
