"""The widgets that a request is read from."""

import random
from pathlib import Path
from typing import Any

import gradio as gr

from wan_demo.formats import sound_format
from wan_demo.request import CAPTIONS, FITS, FRAME_RATES, LANGUAGES, MAX_PROMPT, MAX_SEED, PLACES
from wan_demo.ui import draw
from wan_demo.ui.choices import (
    CAPTION_NAMES,
    CODEC_NAMES,
    EXAMPLES,
    FIT_NAMES,
    LABEL_LANGUAGES,
    MODES,
    SIZES,
    TIMING_NAMES,
)
from wan_demo.ui.desk import Desk
from wan_demo.ui.media import Listener, Upload

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}  # how handlers run


class Form:
    """What a person asks for. Make it inside a gr.Blocks."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._add_prompt()
        self._add_settings()
        self.sound.change(heard, self.sound, self.player, **QUIET)
        self.dice.click(new_seed, None, self.seed, **QUIET)

    @property
    def widgets(self) -> dict[str, Any]:
        """By the names that `to_request` knows."""
        what = ("prompt", "negative", "tier", "seed", "duration", "mode", "size", "fps", "codec", "timing", "mend")
        label = ("label", "language")
        heard = ("sound", "fit", "beats", "effects", "narration", "captions")
        return {name: getattr(self, name) for name in (*what, *label, *heard)}

    @property
    def costly(self) -> list[Any]:
        """The widgets that decide whether a clip fits, and what it costs: tier, size, duration and mode."""
        return [self.tier, self.size, self.duration, self.mode]

    def _add_prompt(self) -> None:
        examples = [[text] for text in EXAMPLES.get(self.desk.setup.family, ())]
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
        choices = self.desk.tier_choices("anonymous")
        self.tier = gr.Radio(
            choices,
            value=choices[-1][1],
            label="Quality and speed",
            info="Guided: a step draws twice, to follow your words more closely.",
            elem_id="tier",
        )
        self.dice = gr.Button("New seed", size="sm")
        self.seed = gr.Number(0, label="Seed", info="The same seed gives the same clip.", buttons=[self.dice])
        with gr.Accordion("More: what to avoid, length, size, file, how it is drawn, label", open=False):
            self._add_negative()
            with gr.Row():
                self._add_shape()
            with gr.Row():
                self._add_file()
            with gr.Row():
                self._add_label()
        with gr.Accordion("Sound: your own, of the scene, or spoken", open=False):
            self._add_sound()

    def _add_negative(self) -> None:
        guided = " or ".join(draw.TIERS[p.tier][0] for p in self.desk.presets if p.guidance != 1)
        self.negative = gr.Textbox(
            label="Steer away from",
            info=f"Guided drawing alone can do this: choose {guided} above.",
            placeholder="a star, purple",
            max_lines=3,
            max_length=MAX_PROMPT,
            elem_id="negative",
            visible=bool(guided),
        )

    def _add_shape(self) -> None:
        presets = self.desk.presets
        usual, longest = (min(getattr(p, name) for p in presets) for name in ("usual_s", "longest_s"))
        slower = f" More than {usual} is the same motion, slower." if longest > usual else ""
        self.duration = gr.Number(
            usual, label="Length in seconds", info=f"Up to {longest}.{slower}", step=0.5, min_width=150
        )
        self.size = gr.Dropdown(
            SIZES,
            value="1280x720",
            label="Size in pixels",
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


def heard(path: str | None) -> Any:
    """The player, with the file that was chosen, if it is of a kind that is read here."""
    known = path is not None and sound_format(Path(path)) is not None
    return Listener(value=path if known else None, visible=known)


def new_seed() -> int:
    return random.randrange(MAX_SEED + 1)
