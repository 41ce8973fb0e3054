from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distill.checkpoint import Ema, Run, cosine, kept
from distill.data import generator
from distill.muon import MuonAdamW, orthogonalise


def train(folder: Path, *stops: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Train a small net up to each of `stops` in turn, from the saved state; returns weights and average."""
    for stop in stops:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        ema = Ema(model, 0.9)

        def loss(step: int, model: nn.Module = model) -> Tensor:
            x = torch.from_numpy(generator(3, step).standard_normal((16, 4))).float()
            return torch.as_tensor((model(x) - x.sum(1, keepdim=True)).square().mean())

        run = Run(folder, model, MuonAdamW(model, 1e-1), ema)
        # every run is told the whole length, as a killed run would have been
        run.fit(20, loss, warmup=2, until=stop)
    return model.state_dict(), ema.module.state_dict()


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = train(tmp_path / "a", 20), train(tmp_path / "b", 7, 13, 20)
    for one, other in zip(whole, broken, strict=True):
        assert all(torch.equal(one[k], other[k]) for k in one)


def test_what_was_drawn_is_kept_for_what_it_was_drawn_for(tmp_path: Path) -> None:
    path, made = tmp_path / "latents" / "layout-0.pt", [torch.arange(3), torch.ones(2)]

    def killed() -> list[Tensor]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(path, "a", killed)
    (path.parent / "layout-0.pt.part").write_bytes(b"cut")  # as a kill while it is written leaves it
    for make in (lambda: made, killed):
        assert all(torch.equal(a, b) for a, b in zip(kept(path, "a", make), made, strict=True))
    with pytest.raises(ValueError, match=r"layout-0\.pt was drawn for another recipe .* use another --runs"):
        kept(path, "b", killed)


def test_training_learns(tmp_path: Path) -> None:
    start, end = train(tmp_path / "a", 0)[0], train(tmp_path / "b", 20)[0]
    x = torch.randn(256, 4, generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def error(state: dict[str, Tensor]) -> float:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        model.load_state_dict(state)
        return float((model(x) - x.sum(1, keepdim=True)).square().mean())

    assert error(end) < 0.8 * error(start)


def test_orthogonalise() -> None:
    for shape in ((8, 20), (20, 8)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
        assert values.min() > 0.5
        assert values.max() < 1.3


def test_cosine() -> None:
    rates = [cosine(step, 100, 10) for step in range(100)]
    assert rates[9] == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.02, abs=0.01)


@pytest.mark.parametrize("bf16", [False, True])
def test_products_are_bf16_where_that_is_asked_and_the_cpu_has_them(bf16: bool, tmp_path: Path) -> None:
    model, types = nn.Linear(4, 4), []

    def loss(_: int) -> Tensor:
        made = model(torch.ones(1, 4))
        types.append(made.dtype)
        return torch.as_tensor(made.float().square().mean())

    Run(tmp_path, model, torch.optim.AdamW(model.parameters()), bf16=bf16).fit(1, loss)
    assert types == [torch.bfloat16 if bf16 and torch.cpu._is_avx512_bf16_supported() else torch.float32]
    assert model.weight.dtype == torch.float32
