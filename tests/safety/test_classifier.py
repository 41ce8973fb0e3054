"""The adapter runs a real image classifier of transformers: a small one, made and taught here."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from wan_demo.policy import CLASSIFIER, Checker
from wan_demo.safety.classifier import ImageClassifier
from wan_demo.safety.frames import UnsafeClipError
from wan_demo.safety.guard import Guard

BLACK, WHITE = (np.full((2, 90, 160, 3), grey, np.uint8) for grey in (0, 255))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that tells bright pictures from dark ones."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        id2label={0: "dark", 1: "bright"},
        label2id={"dark": 0, "bright": 1},
    )
    model = ViTForImageClassification(config)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    pictures, labels = torch.stack([torch.full((3, 32, 32), v) for v in (-1.0, 1.0)]), torch.tensor([0, 1])
    for _ in range(30):
        optimizer.zero_grad()
        model(pictures, labels=labels).loss.backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def test_a_classifier_refuses_what_the_operator_names(folder: Path) -> None:
    look = ImageClassifier(str(folder), {"bright": 0.8})
    assert look(BLACK) is None
    assert (look(WHITE) or "").startswith("looks like bright to the operator's classifier (")
    assert (look(np.concatenate([BLACK, WHITE])) or "").startswith("looks like bright"), "one frame is enough"


def test_a_label_that_the_model_lacks_is_told(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"must name some of the labels of .*: bright, dark"):
        ImageClassifier(str(folder), {"nude": 0.5})


def test_it_works_in_its_own_process(folder: Path) -> None:
    with closing(Guard(Checker(CLASSIFIER, options={"model": str(folder), "refuse": {"bright": 0.8}}))) as guard:
        guard.check(BLACK)
        with pytest.raises(UnsafeClipError, match="looks like bright"):
            guard.check(WHITE)


def test_a_missing_model_blocks(tmp_path: Path) -> None:
    options = {"model": str(tmp_path / "none"), "refuse": {"bright": 0.8}}
    with closing(Guard(Checker(CLASSIFIER, options=options))) as guard, pytest.raises(UnsafeClipError, match="failed"):
        guard.check(BLACK)
