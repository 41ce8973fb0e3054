"""Trains the latent upsampler and the low-noise expert together, as the chain runs: one begins where the other ends.

Alone, the upsampler learns to come near the finish, and the expert to mend what it then leaves. Here the expert's loss
reaches through the noised clip to the upsampler: it learns to leave what can be mended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diffusers import WanTransformer3DModel
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from torch import Tensor, nn

from distill import parallel
from distill.checkpoint import Ema, Run
from distill.config import EndToEndRecipe, TeacherRecipe
from distill.data import FULL, generator, generator_on, uniform
from distill.latents import LatentSet, pick, sample_set
from distill.muon import MuonAdamW
from distill.teacher import ADAM_NAMES, drift_of, flow_loss
from distill.text_encoder import Captions
from distill.upsampler import enlarge
from wan_demo import flow


@dataclass(frozen=True)
class Drawn:
    """Finishes, and the high-noise expert's estimates of their layouts, (N, C, T, H, W): see `teacher.estimate`."""

    clips: LatentSet
    estimates: Tensor


def train(
    recipe: EndToEndRecipe,
    plan: TeacherRecipe,
    upsampler: LTXLatentUpsamplerModel,
    low: WanTransformer3DModel,
    drawn: Sequence[Drawn],
    captions: Captions,
    runs: Path,
) -> tuple[LTXLatentUpsamplerModel, WanTransformer3DModel]:
    """Train both on; returns their average weights. They see whole clips, since the upsampler does.

    plan: how the expert was trained. drawn: a set of each shape, see `latents.sample_set`.
    """
    both, start = nn.ModuleDict({"upsampler": upsampler, "low": low}), FULL.schedule.low[0]
    both.train().requires_grad_(True)

    def loss(step: int) -> Tensor:
        rng = generator_on(low.device, recipe.seed, parallel.shard(step))
        some = sample_set(drawn, plan.other_share, generator(recipe.seed, parallel.shard(step)))
        rows = pick(some.clips, recipe.batch, rng)
        clips = some.clips.examples(rows)
        large = enlarge(some.estimates[rows].float(), clips.x, upsampler)
        sigma = start * flow.shift(uniform(recipe.batch, rng), 2.0)
        return flow_loss(plan, low, replace(clips, drift=drift_of(large, clips.x, start)), sigma, captions, rng)

    ema = Ema(both, recipe.ema)
    Run(runs / "end-to-end", both, MuonAdamW(both, recipe.lr, ADAM_NAMES), ema, bf16=True).fit(recipe.steps, loss)
    return ema.module["upsampler"], ema.module["low"]  # type: ignore[index]
