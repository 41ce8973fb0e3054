"""What each switch of the teacher's training does: python -m benchmarks.teacher [--steps 150 --clips 64]

Both experts are trained on from a weights folder, on the same clips in the same order, once as usual and once for each
switch. Told of each: seconds a step, losses of whole clips that were not trained on, and, for the high-noise expert,
what the judge says of its layouts of held-out combinations. What checkpointing saves is told first, of one whole clip.
Clips show what the weights have words for: the shipped ones one thing, as it is.
"""

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from distill import judge, teacher
from distill.batch import lay_out
from distill.config import RECIPES, TeacherRecipe
from distill.data import FINISH, FULL, LAYOUT, Shots, gaussian, generator_on, uniform
from distill.evaluate import Sample, count, tell
from distill.latents import Finishes, LatentSet, encode_set
from distill.train import Materials, begun
from wan_demo import flow
from wan_demo.decode import decode_all
from wan_demo.models import Models, load
from wan_demo.text import encode_prompts

UNSEEN, BATCH = 5000, 8  # seed of the clips that are not trained on; clips at once
RANGES = {"high": (FULL.boundary, 1.0), "low": (0.0, FULL.schedule.low[0])}  # of sigma, of each expert


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teacher", description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--layouts", type=int, default=1200, help="clips to train on, at layout size")
    parser.add_argument("--finishes", type=int, default=160, help="clips to train on, at finish size")
    parser.add_argument("--clips", type=int, default=64, help="to measure by")
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--weights", type=Path, default=FULL.weights)
    options = parser.parse_args()
    plan = replace(
        RECIPES["cpu"].teacher,
        lr=options.lr,
        layouts=options.layouts,
        finishes=options.finishes,
        stills=options.layouts,
        others=0,
        other_finishes=0,
        high_steps=options.steps,
        low_steps=options.steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(options.weights, Path(folder) / "pocket")
        have = Materials(replace(RECIPES["cpu"], teacher=plan), Path(folder), moves=True)
        compare(Ground(have, load(FULL.at(options.weights)), options.clips))


def compare(ground: "Ground") -> None:
    """Train with each switch, and print a line of JSON for each."""
    usual = ground.have.plan
    for checkpointing in (False, True):
        say(checkpointing=checkpointing, **step_of_a_clip(checkpointing))
    runs = [("high", usual), ("high", replace(usual, temporal=False)), ("high", replace(usual, motion=0.3))]
    runs += [("low", usual), ("low", replace(usual, boxes=False)), ("low", replace(usual, motion=0.3))]
    for name, plan in runs:
        changed = {key: value for key, value in asdict(plan).items() if value != asdict(usual)[key]}
        expert, seconds = ground.train(name, plan)
        told = ground.losses(expert, name) | (ground.judged(expert) if name == "high" else {})
        say(expert=name, changed=changed, s_a_step=round(seconds / usual.high_steps, 2), **told)


def say(**told: object) -> None:
    print(json.dumps(told), flush=True)


def step_of_a_clip(checkpointing: bool) -> dict[str, float]:
    """Seconds of an expert's second step on one clip at finish size, and MB that are kept for the way back."""
    expert = teacher.build()
    if checkpointing:
        expert.enable_gradient_checkpointing()
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.nbytes)
        return tensor

    for _ in range(2):
        sizes.clear()
        started = time.perf_counter()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            made = expert(torch.randn(1, 16, 9, 16, 28), torch.full((1,), 300.0), torch.randn(1, 16, 128)).sample
        made.mean().backward()
    return {"s": round(time.perf_counter() - started, 2), "MB": round(sum(sizes) / 1e6)}


@dataclass(frozen=True)
class Ground:
    """What all runs have in common: clips to train on, models to begin with, and how many clips to measure by."""

    have: Materials
    models: Models
    clips: int

    @cached_property
    def finishes(self) -> list[Finishes]:
        return self.have.drifting(FULL, self.models.high)

    @cached_property
    def unseen(self) -> dict[str, LatentSet]:
        """Whole clips that are not trained on, for each expert; finishes are fewer."""
        sizes = {"high": (LAYOUT, self.clips), "low": (FINISH, self.clips // 4)}
        vae, tokenizer = self.have.vae, self.have.captions.tokenizer
        shots = {name: Shots(camera, UNSEEN, n, (), tokenizer, moves=True) for name, (camera, n) in sizes.items()}
        return {name: encode_set(vae, some) for name, some in shots.items()}

    def train(self, name: str, plan: TeacherRecipe) -> tuple[WanTransformer3DModel, float]:
        """An expert ("high" or "low") by a recipe, and the seconds that its training took."""
        have, runs = self.have, Path(tempfile.mkdtemp(dir=self.have.runs))
        start = begun(have.runs, "transformer" if name == "high" else "transformer_2")
        assert start is not None, "the weights were copied there"
        if name == "high":
            train = partial(teacher.train_high, plan, start, have.layouts, have.stills, have.captions)
        else:
            train = partial(teacher.train_low, plan, start, have.layouts, self.finishes, have.captions)
        started = time.perf_counter()
        made = train(runs)
        return made, time.perf_counter() - started

    @torch.no_grad()
    def losses(self, expert: WanTransformer3DModel, name: str) -> dict[str, float]:
        """Mean losses of clips that were not trained on, at random noise levels of the expert's range."""
        unseen, (low, high) = self.unseen[name], RANGES[name]
        told = []
        for rows in torch.arange(len(unseen)).split(BATCH):
            some, rng = unseen.examples(rows), generator_on(expert.device, UNSEEN, int(rows[0]))
            sigma = low + (high - low) * uniform(len(rows), rng)
            noise, embeds = gaussian(some.x, rng), self.have.captions.embed(some.texts, rng)
            x = flow.add_noise(some.x, noise, sigma.view(-1, 1, 1, 1, 1))
            error = expert(x, flow.TIMESTEPS * sigma, embeds).sample - flow.velocity(some.x, noise)
            told.append((teacher.velocity_loss(error, some.near, sigma), teacher.motion_loss(error, some.moves)))
        velocity, motion = torch.tensor(told).mean(0).tolist()
        return {"velocity_loss": round(velocity, 5), "motion_loss": round(motion, 5)}

    @torch.no_grad()
    def judged(self, high: WanTransformer3DModel) -> dict[str, object]:
        """What the judge reads right of layouts by `high`."""
        models, marks = replace(self.models, high=high), []
        asked = tell(Sample(clips=self.clips), models.tokenizer)
        for some in (asked[i : i + BATCH] for i in range(0, len(asked), BATCH)):
            texts = [one.caption for one in some]
            prompts = encode_prompts([*texts, *[""] * len(texts)], models.tokenizer, models.text_encoder)
            dice = [torch.Generator().manual_seed(one.seed) for one in some]
            clips = decode_all(lay_out(prompts, dice, FULL, models), models.vae)
            for one, frames in zip(some, clips, strict=True):
                marks.append(judge.marks(judge.read(frames, LAYOUT.fps, one.what), one.what))
        return {name: f"{share.right} of {share.of}" for name, share in count(marks).shares.items()}


if __name__ == "__main__":
    main()
