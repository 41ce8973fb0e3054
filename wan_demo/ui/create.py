"""The Create tab: a sentence, a tier and a seed become a clip."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from wan_demo.request import RequestError
from wan_demo.ui import draw
from wan_demo.ui.desk import Desk
from wan_demo.ui.form import QUIET, Form
from wan_demo.ui.job import View, make, to_request
from wan_demo.ui.media import Player
from wan_demo.ui.templates import Templates
from wan_demo.ui.visitor import kind_of

Updates = dict[Any, Any]  # widget -> its new state
LOOK_S = 2
COLUMN = 420  # pixels; where two have no room side by side, the clip is below the form

SHOW_STATUS = (
    "() => { document.getElementById('status').scrollIntoView({ block: 'center', behavior: 'smooth' }); return []; }"
)


class CreateTab:
    """The widgets of the tab and what they do. Make it inside a gr.Blocks."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.templates = desk, Templates.of(desk.setup, desk.presets, desk.policy)
        with gr.Row():
            with gr.Column(scale=5, min_width=COLUMN):
                self.form = Form(desk)
                with gr.Row(elem_id="go"):
                    self.generate = gr.Button("Generate", variant="primary", scale=3, min_width=120)
                    self.cancel = gr.Button("Cancel", interactive=False, scale=1, min_width=100)
                self.fits = gr.HTML(elem_id="fits")
            with gr.Column(scale=6, min_width=COLUMN):
                self.status = gr.HTML(draw.nothing_yet(), elem_id="status")
                self._add_result()
        self.clock = gr.Timer(LOOK_S)  # the worker knows what fits a moment after the page is there
        self._connect()

    def _add_result(self) -> None:
        with gr.Column(visible=False, elem_id="result") as self.result:
            self.video = Player(show_label=False, interactive=False, buttons=["download"], autoplay=True, loop=True)
            self.figures = gr.HTML()
            self.motion = gr.HTML()
            self.command = gr.Textbox(
                label="The command that makes this clip again",
                interactive=False,
                buttons=["copy"],
                max_lines=6,
                elem_id="command",
            )

    def _connect(self) -> None:
        buttons = [self.generate, self.cancel]
        shown = [
            *buttons,
            self.status,
            self.result,
            self.video,
            self.figures,
            self.motion,
            self.command,
            self.form.tier,
        ]
        start = gr.on(
            [self.generate.click, self.form.prompt.submit],
            self.begin,
            None,
            [*buttons, self.status],
            js=SHOW_STATUS,
            **QUIET,
        )
        job = start.then(
            self.run,
            list(self.form.widgets.values()),
            shown,
            concurrency_limit=1,
            concurrency_id="worker",
            show_progress="minimal",
            show_progress_on=[self.status],
            api_visibility="private",
        )
        costly = self.form.costly
        job.then(self.end, costly, buttons, **QUIET)
        self.cancel.click(self.cancelled, costly, [*buttons, self.status], cancels=[job], **QUIET)
        changed = [*(widget.input for widget in costly), self.clock.tick]
        gr.on(changed, self.look, costly, [self.fits, self.generate, self.form.tier, self.clock], **QUIET)

    def refresh(self, visitor: gr.Request) -> Updates:
        """What has been timed since the page was built, and what this visitor can pay for."""
        return {self.form.tier: gr.Radio(choices=self.desk.tier_choices(kind_of(visitor)))}

    def look(self, visitor: gr.Request, tier: str, size: str, duration: float | None, mode: str) -> Updates:
        """Whether what is chosen runs here, and what it asks of the visitor; what cannot run cannot be asked for."""
        fit = self.desk.fit(tier, size)
        if fit is None:
            return {self.fits: "", self.generate: gr.Button(interactive=True)}
        price, kind = self.desk.price(tier, size, duration, mode), kind_of(visitor)
        shown = draw.fits(fit)
        if fit.fits and price is not None:
            shown += draw.price(price, kind)
        possible = self.desk.possible(tier, size, duration, mode, kind)
        updates = {self.fits: shown, self.generate: gr.Button(interactive=possible)}
        return {**updates, **self.refresh(visitor), self.clock: gr.Timer(active=False)}

    def begin(self) -> Updates:
        """Cancel works while a job waits, too; Generate stays, since a full queue refuses without telling a handler."""
        return {self.cancel: gr.Button(interactive=True), self.status: draw.message("")}

    def end(self, visitor: gr.Request, tier: str, size: str, duration: float | None, mode: str) -> Updates:
        possible = self.desk.possible(tier, size, duration, mode, kind_of(visitor))
        return {self.generate: gr.Button(interactive=possible), self.cancel: gr.Button(interactive=False)}

    def cancelled(self, visitor: gr.Request, tier: str, size: str, duration: float | None, mode: str) -> Updates:
        ended = self.end(visitor, tier, size, duration, mode)
        return {**ended, self.status: draw.message("Cancelled; nothing was kept.")}

    def run(self, visitor: gr.Request, *values: Any) -> Iterator[Updates]:
        """Make a clip from the values of the form's widgets. Close it to cancel."""
        form = dict(zip(self.form.widgets, values, strict=True))
        try:
            request = to_request(form)
            self.desk.preset(request.tier).check(request)
            self.desk.admit(request, form["size"], kind_of(visitor))
        except RequestError as error:
            yield {self.status: draw.refusal(str(error))}
            return
        yield {self.generate: gr.Button(interactive=False), self.result: gr.Column(visible=False), self.video: None}
        with closing(make(self.desk.worker, request, self.templates)) as views:
            for view in views:
                yield self.show(view, visitor)

    def show(self, view: View, visitor: gr.Request) -> Updates:
        """The widgets as they are at a moment of a job."""
        updates: Updates = {self.status: draw.status(view)}
        if view.published is not None:
            updates |= self.refresh(visitor) | {
                self.result: gr.Column(visible=True),
                self.video: str(view.published.path),
                self.figures: draw.results(view.published.report, view.again),
                self.motion: draw.beats(view.published.report) if "beats" in view.published.report else "",
                self.command: draw.command(view.request, self.desk.setup),
            }
        return updates
