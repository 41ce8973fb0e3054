"""The trainers, on a few clips and a few steps: what they compute is right; how well it works is in LOG.md."""

import copy
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

from distill import autoencoder, consistency, data, latents, text_encoder, upsampler
from distill.config import AutoencoderRecipe
from distill.tokenizer import build_tokenizer
from distill.world import Camera, Pair, parts
from tests.tiny import tiny_expert
from wan_demo import flow
from wan_demo.models import load_tokenizer
from wan_demo.text import encode_prompts


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return autoencoder.build()


def test_unclamped_decode_is_decode(vae: AutoencoderKLWan) -> None:
    z = 0.1 * torch.randn(1, autoencoder.Z_DIM, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = autoencoder.decode_unclamped(vae, z), vae.decode(z).sample
    torch.testing.assert_close(ours.clamp(-1, 1), theirs)


def test_statistics_are_those_of_raw_latents(vae: AutoencoderKLWan) -> None:
    vae.register_to_config(latents_mean=[0.5] * autoencoder.Z_DIM, latents_std=[3.0] * autoencoder.Z_DIM)
    autoencoder.measure_latents(vae, clips=2)
    x = latents.encode_set(vae, data.Shots(data.LAYOUT, seed=77, count=2)).x.float().transpose(0, 1).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(autoencoder.Z_DIM), atol=2e-3, rtol=0)
    torch.testing.assert_close(x.std(1), torch.ones(autoencoder.Z_DIM), atol=2e-3, rtol=0)


def test_an_inflated_autoencoder_shows_a_still_clip_as_its_frame(vae: AutoencoderKLWan) -> None:
    """With past taps at zero, no frame depends on an earlier one through a 3x3x3 convolution."""
    autoencoder.inflate(vae)
    kernels = [m for m in vae.modules() if isinstance(m, WanCausalConv3d) and m.kernel_size == (3, 3, 3)]
    assert kernels
    assert all((m.weight[:, :, :2] == 0).all() for m in kernels)


def test_autoencoder_loss_has_gradients_everywhere(vae: AutoencoderKLWan) -> None:
    recipe = AutoencoderRecipe(batch=1, crop=32, shrink_share=0.0)
    x, weight = data.Crops(recipe, 5, 1)[0]
    autoencoder.reconstruction_loss(vae, recipe, x, weight, 0).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in vae.parameters())


def test_a_start_learns_to_decode_and_its_latents_stay(vae: AutoencoderKLWan, tmp_path: Path) -> None:
    start = copy.deepcopy(vae)
    before = {name: p.clone() for name, p in start.named_parameters()}
    made = autoencoder.train(AutoencoderRecipe(batch=1, crop=32, frames=5, decoder_steps=2), tmp_path, start)
    learnt = {name for name, p in made.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split(".")[0] for name in learnt} == {"decoder", "post_quant_conv"}
    assert made.config.latents_mean == vae.config.latents_mean
    assert made.config.latents_std == vae.config.latents_std


def test_some_motions_colours_and_scenes_are_drawn_oftener() -> None:
    """One of eight motions drawn four times as often is four of eleven, and so on; the pairs aside."""
    rng = data.generator(1, 1)
    whats = [data.choose(rng, (("spins", 4), ("white", 3), ("night", 2))) for _ in range(3000)]
    single = [what for what in whats if not isinstance(what, Pair)]
    for share, shown in (
        (4 / 11, [what.motion == "spins" for what in single]),
        (3 / 10, [what.colour == "white" for what in single]),
        (2 / 6, [what.scene == "night" for what in single]),
    ):
        assert sum(shown) / len(single) == pytest.approx(share, abs=0.05)


def test_batches_are_a_function_of_seed_and_step() -> None:
    crops = data.Crops(AutoencoderRecipe(batch=2, crop=32), 5, 6)
    (one, weight), (same, _), (other, _) = (crops[step] for step in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.min() >= -1
    assert one.max() <= 1
    assert set(weight.unique().tolist()) == {1.0, 5.0}


def test_what_is_rendered_by_helpers_is_what_is_rendered_here() -> None:
    shots = data.Shots(Camera(frames=5, fps=8.0, width=64, height=32), seed=1, count=5)
    here, there = (list(data.rendered(shots, 2, renderers)) for renderers in (0, 2))
    assert len(here) == 3
    assert all(
        torch.equal(a, b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)
    )
    rest = list(data.rendered(shots, 2, 0, start=2))
    assert torch.equal(rest[0][0], here[1][0])


def test_training_sees_nothing_that_is_held_out() -> None:
    rng = data.generator(3, 0)
    whats = [data.choose(rng, (("spins", 3), ("night", 2))) for _ in range(400)]
    pairs = [what for what in whats if isinstance(what, Pair)]
    assert 0.3 < len(pairs) / len(whats) < 0.7
    assert not any(what.held_out for what in whats)
    assert not any(one.held_out for what in pairs for one in parts(what))
    assert all(what.first.scene == what.second.scene for what in pairs)
    assert all(what.first.colour != what.second.colour for what in pairs)
    spins, rises = (sum(one.motion == m for what in whats for one in parts(what)) for m in ("spins", "rises"))
    assert spins > 1.5 * rises


def test_captions_are_tokens_of_what_a_clip_shows() -> None:
    tokenizer = build_tokenizer()
    shots = data.Shots(data.STILL, seed=3, count=4, tokenizer=tokenizer)
    ids = torch.stack([shots[i][3] for i in range(4)])
    assert ids.shape == (4, data.CAPTIONS, tokenizer.model_max_length)
    assert not (ids == tokenizer.unk_token_id).any()
    encoder = text_encoder.build(len(tokenizer)).eval()
    captions, rng = text_encoder.Captions(tokenizer, encoder), data.generator_on(torch.device("cpu"), 1, 0)
    made = captions.embed(ids, rng)
    options = encode_prompts([tokenizer.decode(row, skip_special_tokens=True) for row in ids[0]], tokenizer, encoder)
    assert min((made[0] - row).abs().max() for row in options.embeds) < 1e-4
    torch.testing.assert_close(captions.embed(ids, rng, dropped=1.0), captions.empty(4))


def test_shipped_weights_are_trained_on_in_words_that_they_have() -> None:
    tokenizer = load_tokenizer(data.FULL.weights / "tokenizer")
    shots = data.Shots(data.STILL, seed=3, count=12, tokenizer=tokenizer)
    assert not (torch.stack([shots[i][3] for i in range(12)]) == tokenizer.unk_token_id).any()


def test_what_moves_is_told_where_it_is_asked_for() -> None:
    camera = Camera(frames=5, fps=8.0, width=64, height=32)
    told, silent = (data.Shots(camera, seed=1, count=1, moves=moves)[0][2] for moves in (True, False))
    assert told.shape == silent.shape == (2, 4, 8)
    assert told.any()
    assert not silent.any()


def test_encoded_sets_know_where_the_thing_is(vae: AutoencoderKLWan) -> None:
    shots = data.Shots(Camera(frames=5, fps=8.0, width=64, height=32), seed=1, count=3)
    made = latents.encode_set(vae, shots, batch=2)
    assert made.x.shape == (3, autoencoder.Z_DIM, 2, 4, 8)
    assert made.near.flatten(1).any(1).all()
    finishes, rng = latents.Finishes(made, 2 * made.x), data.generator_on(torch.device("cpu"), 0, 0)
    boxes = latents.cut(finishes, torch.tensor([0, 2]), (1, 2, 4), rng)
    assert boxes.x.shape == (2, autoencoder.Z_DIM, 1, 2, 4)
    assert boxes.near.shape == (2, 1, 2, 4)
    assert torch.equal(boxes.drift, 2 * boxes.x), "both are cut at the same place"


def test_a_new_upsampler_is_trilinear_and_fits_the_chain() -> None:
    torch.manual_seed(0)
    x, like = torch.randn(1, 4, 5, 4, 6), torch.empty(1, 4, 9, 8, 12)
    model = upsampler.build(4)
    assert torch.equal(upsampler.enlarge(x, like, model), upsampler.enlarge(x, like, None))
    torch.nn.init.normal_(model.final_conv.weight)
    assert not torch.equal(upsampler.enlarge(x, like, model), upsampler.enlarge(x, like, None))


def test_grid_has_every_edge() -> None:
    small = consistency.grid((1.0, 0.9, 0.7), 12)
    assert small[0][0] == 1.0
    assert small[-1][1:] == (0.7, 0.7)
    assert {end for _, _, end in small} == {0.9, 0.7}
    for (_, to, _), (start, _, _) in pairwise(small):
        assert math.isclose(to, start)
    assert all(end <= to < start for start, to, end in small)


def test_consistency_target_is_exact_at_the_end_of_a_step() -> None:
    """Where the next level is T, the loss is plain regression onto one guided step of the teacher."""
    student, teacher = tiny_expert(1), tiny_expert(2)
    torch.manual_seed(0)
    x0, noise = torch.randn(2, 4, 2, 4, 4), torch.randn(2, 4, 2, 4, 4)
    prompt, empty = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    levels = torch.tensor([[0.8, 0.7, 0.7]]).expand(2, 3)
    made = consistency.consistency_loss(student, student, teacher, x0, noise, levels, (prompt, empty, 4.0))
    x, when = flow.add_noise(x0, noise, 0.8), torch.full((2,), 800.0)
    with torch.no_grad():
        target = flow.guide(teacher(x, when, prompt).sample, teacher(x, when, empty).sample, 4.0)
        expected = torch.nn.functional.huber_loss(student(x, when, prompt).sample, target)
    assert made.item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_student_is_not_its_own_teacher() -> None:
    """Only the student gets gradients."""
    student, average, teacher = tiny_expert(1), tiny_expert(1), tiny_expert(2)
    x = torch.randn(1, 4, 2, 4, 4)
    prompt = torch.randn(1, 5, 16)
    levels = torch.tensor([[0.9, 0.8, 0.7]])
    consistency.consistency_loss(student, average, teacher, x, x, levels, (prompt, prompt, 2.0)).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in student.parameters())
    assert all(p.grad is None for m in (average, teacher) for p in m.parameters())
