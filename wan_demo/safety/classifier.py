"""The checker that comes with the app: any image classifier of transformers that the operator names."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image
from transformers import pipeline


class ImageClassifier:
    """model: a folder or a name on the Hugging Face hub, safetensors only. refuse: label -> the least score (0 to 1)
    at which a frame is refused.

    Raises:
        ValueError: the model has no such label.
        OSError: there is no such model, or it cannot be read.
    """

    def __init__(self, model: str, refuse: Mapping[str, float]) -> None:
        self.classify = pipeline("image-classification", model=model, model_kwargs={"use_safetensors": True})
        self.refuse = dict(refuse)
        labels = set(self.classify.model.config.id2label.values())
        if not self.refuse or not set(self.refuse) <= labels:
            raise ValueError(f"refuse must name some of the labels of {model}: {', '.join(sorted(labels))}")

    def __call__(self, frames: npt.NDArray[np.uint8]) -> str | None:
        """What the frames (N, H, W, 3) show that must not be shown, or None."""
        for scores in self.classify([Image.fromarray(frame) for frame in frames], top_k=None):
            for guess in scores:
                if guess["score"] >= self.refuse.get(guess["label"], float("inf")):
                    return f"looks like {guess['label']} to the operator's classifier ({guess['score']:.0%} sure)"
        return None
