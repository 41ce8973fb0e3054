"""Reads prompts, and remembers what it read, so that a large text encoder is loaded only for a prompt that is new."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

import torch
import transformers
from safetensors.torch import load, save
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from wan_demo.store import Prompts
from wan_demo.values import PromptEmbeds

REMEMBERED = 64  # pairs of texts that are kept in memory
Texts = tuple[str, str]  # the prompt, the negative prompt


class Reader:
    """weights: what the files of tokenizer and text encoder hold (`integrity.contents`) where embeddings are kept on
    disk too; "": they are not.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, make: Callable[[], UMT5EncoderModel], weights: str = ""
    ) -> None:
        self.tokenizer, self.weights, self._make = tokenizer, weights, make
        self.read: OrderedDict[Texts, PromptEmbeds] = OrderedDict()

    @cached_property
    def encoder(self) -> UMT5EncoderModel:
        """The text encoder, on the CPU when it has just been loaded."""
        return self._make()

    @property
    def loaded(self) -> bool:
        return "encoder" in self.__dict__

    def find(self, texts: Texts, device: torch.device) -> PromptEmbeds | None:
        """What was read before, now on `device`; None where it is not known."""
        if texts not in self.read:
            kept = Prompts().find(self._key(texts, device)) if self.weights else None
            if kept is None:
                return None
            self._remember(texts, _restored(kept, self.tokenizer.model_max_length, device))
        self.read.move_to_end(texts)
        return self.read[texts]

    def keep(self, texts: Texts, made: PromptEmbeds) -> PromptEmbeds:
        """Remember what was read; the same is returned."""
        self._remember(texts, made)
        if self.weights:
            length = int(made.lengths.max())  # the rest is zeros
            tensors = {"embeds": made.embeds[:, :length].contiguous().cpu(), "lengths": made.lengths.cpu()}
            Prompts().record(self._key(texts, made.embeds.device), save(tensors))
        return made

    def forget(self) -> None:
        """From now on everything is read anew: for those who time it."""
        self.read.clear()
        self.weights = ""

    def _remember(self, texts: Texts, made: PromptEmbeds) -> None:
        self.read[texts] = made
        if len(self.read) > REMEMBERED:
            self.read.popitem(last=False)

    def _key(self, texts: Texts, device: torch.device) -> str:
        """All that the numbers follow from; a digest, so that nobody reads the texts on the disk."""
        code = (torch.__version__, transformers.__version__, device.type)
        facts = (*texts, self.weights, self.tokenizer.model_max_length, *code)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _restored(kept: bytes, length: int, device: torch.device) -> PromptEmbeds:
    tensors = load(kept)
    short = tensors["embeds"]
    embeds = short.new_zeros((len(short), length, short.shape[2]))
    embeds[:, : short.shape[1]] = short
    return PromptEmbeds(embeds.to(device), tensors["lengths"].to(device))
