"""Where a GPU is lent by the second: what a clip asks for, and who may have it. No models are needed."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from starlette.requests import Request

from tests.sound.test_track import written
from tests.ui.test_page import FORM, VISITOR, Double, fit
from wan_demo.clip import RATE, Sound
from wan_demo.policy import Policy
from wan_demo.presets import Preset, tiers
from wan_demo.quota import Price
from wan_demo.setup import Setup
from wan_demo.ui.create import CreateTab
from wan_demo.ui.desk import Desk
from wan_demo.ui.visitor import kind_of


class Lender:
    """Asks for 40 s for a distilled clip, 400 for a full one."""

    measured = True

    def __init__(self) -> None:
        self.workloads: list[str] = []

    def price(self, preset: Preset, mode: str) -> Price:
        self.workloads.append(mode)
        return Price(40 if preset.tier == "distilled" else 400, self.measured)


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
def tab(lender: Lender) -> CreateTab:
    worker = Double()
    worker.fits = (fit(True), fit(True, "full"))
    with gr.Blocks(analytics_enabled=False):
        return CreateTab(Desk(worker, Setup(), tiers("pocket"), Policy(), lender))


def signed_in(**profile: object) -> gr.Request:
    session = {"oauth_info": {"userinfo": {"name": "somebody", **profile}}}
    return gr.Request(Request({"type": "http", "session": session, "headers": []}))


@pytest.mark.parametrize(
    ("visitor", "kind"),
    [
        (gr.Request(), "anonymous"),
        (gr.Request(Request({"type": "http", "session": {}, "headers": []})), "anonymous"),
        (signed_in(isPro=False), "free"),
        (signed_in(isPro=True), "pro"),
    ],
)
def test_a_visitor_is_known_by_signing_in(visitor: gr.Request, kind: str) -> None:
    assert kind_of(visitor) == kind


def test_a_visitor_is_offered_what_the_quota_pays_for(tab: CreateTab) -> None:
    pro = signed_in(isPro=True)
    for visitor, offered in ((VISITOR, ["distilled"]), (signed_in(), ["distilled"]), (pro, ["full", "distilled"])):
        assert [tier for _, tier in tab.refresh(visitor)[tab.form.tier].choices] == offered
    shown = tab.look(VISITOR, "full", "1280x720", 2, "chain")
    assert not shown[tab.generate].interactive
    assert "400 s of a GPU, and a visitor who has not signed in may use 120 s a day" in shown[tab.fits]
    assert "sign in (a PRO account may use 2400 s)" in shown[tab.fits]
    (refused,) = tab.run(VISITOR, *{**FORM, "tier": "full"}.values())
    assert "400 s of a GPU" in refused[tab.status]
    assert tab.video in list(tab.run(pro, *{**FORM, "tier": "full"}.values()))[-1]


def test_the_price_stands_beside_the_button(tab: CreateTab, lender: Lender) -> None:
    shown = tab.look(VISITOR, "distilled", "1280x720", None, "chain")
    assert shown[tab.generate].interactive
    assert "Asks for 40 s of a GPU; a visitor who has not signed in may use 120 s a day." in shown[tab.fits]
    lender.measured = False
    assert "no such clip was timed here yet" in tab.look(VISITOR, "distilled", "1280x720", 2, "chain")[tab.fits]


def test_a_clip_as_long_as_its_sound_is_priced_so(tab: CreateTab, lender: Lender, tmp_path: Path) -> None:
    path = written(tmp_path, Sound(np.full((RATE * 5, 2), 0.1, np.float32)))
    list(tab.run(VISITOR, *{**FORM, "tier": "distilled", "sound": str(path), "fit": "clip"}.values()))
    assert "chain, 5 s" in lender.workloads
