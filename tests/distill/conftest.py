import pytest
import torch

from distill import text_encoder
from distill.text_encoder import Captions
from distill.tokenizer import build_tokenizer


@pytest.fixture(scope="session")
def captions() -> Captions:
    """All words of the world, and an encoder that has learnt nothing."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    return Captions(tokenizer, text_encoder.build(len(tokenizer)).eval())
