"""The Create tab: a sentence, a tier and a seed become a clip."""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from wan_demo.formats import sound_format
from wan_demo.policy import Policy
from wan_demo.presets import PRESETS, Preset, find
from wan_demo.request import CAPTIONS, FITS, FRAME_RATES, LANGUAGES, MAX_PROMPT, MAX_SEED, PLACES, RequestError
from wan_demo.store import Timings
from wan_demo.ui import draw
from wan_demo.ui.job import Maker, View, make, to_request
from wan_demo.ui.media import Listener, Player, Upload

Updates = dict[Any, Any]  # widget -> its new state

EXAMPLES = {  # sentences that a family draws well
    "pocket": (
        "a red ball moves right over green grass",
        "a yellow moon rises over the sea",
        "一个绿色的三角形在沙漠里向右移动",
        "オレンジ色の箱が海の上で左に動く",
        "un corazón rojo sube sobre el mar",
        "une lune orange se déplace vers la gauche dans la neige",
        "قلب أحمر يرتفع فوق البحر",
    ),
}
SIZES = [
    ("640x360, small", "640x360"),
    ("854x480, medium", "854x480"),
    ("1280x720, HD", "1280x720"),
    ("1920x1080, Full HD", "1920x1080"),
    ("3840x2160, 4K: slow", "3840x2160"),
    ("720x1280, upright HD", "720x1280"),
    ("1080x1920, upright Full HD", "1080x1920"),
    ("720x720, square", "720x720"),
    ("1080x1080, square Full HD", "1080x1080"),
]
CODEC_NAMES = [("H.264, plays everywhere", "h264"), ("H.265, for Apple and TVs", "h265"), ("AV1, newest", "av1")]
FIT_NAMES = [
    ("Cut it, or silence follows", "cut"),
    ("Repeat it", "loop"),
    ("The clip lasts as long, if it can", "clip"),
]
CAPTION_NAMES = [("None", "off"), ("In the picture", "burnt"), ("A track to turn on", "track")]
TIMING_NAMES = [("Exact", "exact"), ("Even: smoother, a little slower", "even")]
LABEL_LANGUAGES = dict(zip(LANGUAGES, ("English", "中文", "日本語", "Español", "Français", "العربية"), strict=True))
MODES = [("Small, then enlarged", "chain"), ("Small only", "direct")]
SHOW_STATUS = (
    "() => { document.getElementById('status').scrollIntoView({ block: 'center', behavior: 'smooth' }); return []; }"
)


@dataclass(frozen=True)
class Desk:
    """What the page works with: who makes the clips, of which family, on which device."""

    worker: Maker
    family: str
    device: str
    policy: Policy = field(default_factory=Policy)

    @property
    def presets(self) -> list[Preset]:
        return [preset for preset in PRESETS if preset.family == self.family]

    def tier_choices(self) -> list[tuple[str, str]]:
        """(what it is and costs, tier) of each tier."""
        return [(draw.tier_choice(preset, self._seconds(preset)), preset.tier) for preset in self.presets]

    def _seconds(self, preset: Preset) -> float | None:
        return Timings().expected((preset.family, preset.tier, "chain", self.device)).get("total")


class CreateTab:
    """The widgets of the tab and what they do. Make it inside a gr.Blocks."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._add_prompt()
        self._add_settings()
        with gr.Row():
            self.generate = gr.Button("Generate", variant="primary", scale=3, min_width=120)
            self.cancel = gr.Button("Cancel", interactive=False, scale=1, min_width=100)
        self.status = gr.HTML(elem_id="status")
        self._add_result()
        self._connect()

    def _add_prompt(self) -> None:
        examples = [[text] for text in EXAMPLES.get(self.desk.family, ())]
        self.prompt = gr.Textbox(
            examples[0][0] if examples else "",  # so that a stranger can press Generate at once
            label="Describe a scene",
            placeholder="a red ball moves right over green grass",
            max_lines=4,
            max_length=MAX_PROMPT,
            autofocus=True,
            elem_id="prompt",
        )
        if examples:
            gr.Examples(
                examples, self.prompt, label="Or start from one of these", elem_id="examples", api_visibility="private"
            )
        gr.HTML(draw.hint(self.desk.presets[0].knows))

    def _add_settings(self) -> None:
        longest = min(preset.longest_s for preset in self.desk.presets)
        choices = self.desk.tier_choices()
        self.tier = gr.Radio(
            choices,
            value=choices[-1][1],
            label="Quality and speed",
            info="Guided: every step draws twice, to follow your words more closely.",
            elem_id="tier",
        )
        self.dice = gr.Button("New seed", size="sm")
        self.seed = gr.Number(0, label="Seed", info="The same seed gives the same clip.", buttons=[self.dice])
        with gr.Accordion("More: length, size, file, how it is drawn, label", open=False):
            with gr.Row():
                self._add_shape(longest)
            with gr.Row():
                self._add_file()
            with gr.Row():
                self._add_label()
        with gr.Accordion("Sound: your own, of the scene, or spoken", open=False):
            self._add_sound()

    def _add_shape(self, longest: int) -> None:
        self.duration = gr.Number(longest, label="Length in seconds", info=f"Up to {longest}.", step=0.5, min_width=150)
        self.size = gr.Dropdown(
            SIZES,
            value="1280x720",
            label="Size in pixels",
            info="Upright and square ones show the middle.",
            min_width=150,
        )
        self.mode = gr.Dropdown(
            MODES,
            value="chain",
            label="How it is drawn",
            info="The first gives finer pictures, the second is for comparison.",
            min_width=220,
        )

    def _add_file(self) -> None:
        rates = list(FRAME_RATES)
        self.fps = gr.Dropdown(rates, value="30", label="Frames a second", info="60 takes longer.", min_width=150)
        self.codec = gr.Dropdown(
            CODEC_NAMES, value="h264", label="Video", info="Few browsers play H.265.", min_width=150
        )
        self.timing = gr.Dropdown(
            TIMING_NAMES, value="exact", label="Timing", info="How the new frames are spread.", min_width=220
        )
        self.mend = gr.Checkbox(
            True, label="Mend", info="Flicker, shake and colour that drifts, where there is any.", min_width=220
        )

    def _add_label(self) -> None:
        off = [("Off", "off")] if self.desk.policy.label_may_be_off else []
        self.label = gr.Dropdown(
            [*((place.capitalize(), place) for place in PLACES), *off],
            value=PLACES[0],
            label="Label",
            info="Where the clip says that it is AI-generated.",
            min_width=150,
        )
        self.language = gr.Dropdown(
            [(name, code) for code, name in LABEL_LANGUAGES.items()],
            value=LANGUAGES[0],
            label="Label in",
            info="At first your browser's language.",
            min_width=150,
        )

    def _add_sound(self) -> None:
        with gr.Row():
            with gr.Column(scale=2, min_width=260):
                self.sound = Upload(
                    label="A sound or video file",
                    file_types=["audio", "video", ".mkv", ".ts", ".mts", ".m2ts", ".caf", ".au", ".amr"],
                    file_count="single",
                    height=160,
                )
                self.player = Listener(show_label=False, interactive=False, visible=False)
            with gr.Column(scale=3, min_width=260):
                self.fit = gr.Dropdown(
                    FIT_NAMES, value=FITS[0], label="If it is longer or shorter", info="Of the file, not of the clip."
                )
                self.beats = gr.Checkbox(label="On the beat", info="Moves sudden motion onto the file's beats.")
                self.effects = gr.Checkbox(
                    label="Noises of the scene", info="Thumps, waves, wind, ...: synthesised to fit the picture."
                )
        with gr.Row():
            self.narration = gr.Textbox(
                label="Narration", placeholder="A text that is spoken", max_length=MAX_PROMPT, max_lines=3, scale=3
            )
            self.captions = gr.Dropdown(CAPTION_NAMES, value=CAPTIONS[0], label="Captions", scale=2, min_width=180)

    def _add_result(self) -> None:
        with gr.Column(visible=False, elem_id="result") as self.result:
            with gr.Row():
                with gr.Column(scale=3, min_width=300):
                    self.video = Player(
                        show_label=False, interactive=False, buttons=["download"], autoplay=True, loop=True
                    )
                with gr.Column(scale=2, min_width=280):
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
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        buttons = [self.generate, self.cancel]
        shown = [*buttons, self.status, self.result, self.video, self.figures, self.motion, self.command, self.tier]
        start = gr.on(
            [self.generate.click, self.prompt.submit],
            self.begin,
            None,
            [*buttons, self.status],
            js=SHOW_STATUS,
            **quiet,
        )
        job = start.then(
            self.run,
            list(self.form.values()),
            shown,
            concurrency_limit=1,
            concurrency_id="worker",
            show_progress="minimal",
            show_progress_on=[self.status],
            api_visibility="private",
        )
        job.then(self.end, None, buttons, **quiet)
        self.cancel.click(self.cancelled, None, [*buttons, self.status], cancels=[job], **quiet)
        self.sound.change(heard, self.sound, self.player, **quiet)
        self.dice.click(new_seed, None, self.seed, **quiet)

    def refresh(self) -> Updates:
        """What has been timed since the page was built."""
        return {self.tier: gr.Radio(choices=self.desk.tier_choices())}

    def begin(self) -> Updates:
        """Cancel works while a job waits, too; Generate stays, since a full queue refuses without telling a handler."""
        return {self.cancel: gr.Button(interactive=True), self.status: draw.message("")}

    def end(self) -> Updates:
        return {self.generate: gr.Button(interactive=True), self.cancel: gr.Button(interactive=False)}

    def cancelled(self) -> Updates:
        return {**self.end(), self.status: draw.message("Cancelled; nothing was kept.")}

    @property
    def form(self) -> dict[str, Any]:
        """The widgets that a request is read from, by the names that `to_request` knows."""
        what = ("prompt", "tier", "seed", "duration", "mode", "size", "fps", "codec", "timing", "mend")
        label = ("label", "language")
        heard = ("sound", "fit", "beats", "effects", "narration", "captions")
        return {name: getattr(self, name) for name in (*what, *label, *heard)}

    def run(self, *values: Any) -> Iterator[Updates]:
        """Make a clip from the values of `form`. Close it to cancel."""
        try:
            request = to_request(dict(zip(self.form, values, strict=True)))
            find(self.desk.family, request.tier).check(request)
        except RequestError as error:
            yield {self.status: draw.refusal(str(error))}
            return
        yield {self.generate: gr.Button(interactive=False), self.result: gr.Column(visible=False), self.video: None}
        with closing(make(self.desk.worker, request)) as views:
            for view in views:
                yield self.show(view)

    def show(self, view: View) -> Updates:
        """The widgets as they are at a moment of a job."""
        updates: Updates = {self.status: draw.status(view)}
        if view.published is not None:
            updates |= self.refresh() | {
                self.result: gr.Column(visible=True),
                self.video: str(view.published.path),
                self.figures: draw.results(view.published.report),
                self.motion: draw.beats(view.published.report) if "beats" in view.published.report else "",
                self.command: draw.command(view.request, self.desk.family, self.desk.device),
            }
        return updates


def heard(path: str | None) -> Any:
    """The player, with the file that was chosen, if it is of a kind that is read here."""
    known = path is not None and sound_format(Path(path)) is not None
    return Listener(value=path if known else None, visible=known)


def new_seed() -> int:
    return random.randrange(MAX_SEED + 1)
