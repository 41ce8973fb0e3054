"""The visible label: people see that the clip was made by a model."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wan_demo.request import LANGUAGES, PLACES

MIN_HEIGHT_SHARE = 0.05  # of the shorter side; GB 45438-2025 asks for this much
_PLATE_RGBA = (0, 0, 0, 176)  # dark enough for white text on a white scene (contrast 8:1), and the scene shines through
_TEXT_RGBA = (255, 255, 255, 255)
READABLE = 60  # levels; white letters on the plate are 110 or more lighter, in limited range, whatever is behind it
CLEAN = 0.9  # the share of letters and of plate that are on their side of the middle between the two
_FONTS = Path(__file__).parent / "fonts"


Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Wording:
    """text: as it is drawn, from left to right. font: a file of fonts/, or None for Pillow's own. tall: a letter whose
    height is the label's."""

    text: str
    font: str | None = None
    tall: str = "H"


WORDINGS = {
    "en": Wording("AI-generated"),
    "zh": Wording("人工智能生成", "droid.ttf", "生"),
    "ja": Wording("人工知能が生成", "droid.ttf", "生"),
    "es": Wording("Generado por IA"),
    "fr": Wording("Généré par IA", "dejavu.ttf", "I"),
    # "made by artificial intelligence", as joined letters from left to right: few Pillows can join them themselves
    "ar": Wording(
        "\ufef2\ufecb\ufe8e\ufee8\ufec4\ufebb\ufefb\ufe8d \ufe80\ufe8e\ufedb\ufeac\ufedf\ufe8e\ufe91"
        " \ufeaa\ufedf\ufeee\ufee3",
        "dejavu.ttf",
        "\ufe8d",
    ),
}


def add_label(frame: Frame, language: str = LANGUAGES[0], place: str = PLACES[0]) -> Frame:
    """A frame (H, W, 3) with the label, white on a dark plate, in a corner.

    Its letters are at least 5% of the shorter side tall. Raises ValueError when it is too wide for the frame.
    """
    height, width = frame.shape[:2]
    plate = _draw(WORDINGS[language], min(height, width))
    rows, columns = _corner(height, width, plate, place)
    labelled = frame.copy()
    alpha = plate[..., 3:].astype(np.float32) / 255
    labelled[rows, columns] = np.rint(frame[rows, columns] * (1 - alpha) + plate[..., :3] * alpha).astype(np.uint8)
    return labelled


def has_label(luma: npt.NDArray[np.uint8], language: str = LANGUAGES[0], place: str = PLACES[0]) -> bool:
    """Whether a frame's luma (H, W) shows the label: its letters, and they alone, are lighter than its plate."""
    height, width = luma.shape
    plate = _draw(WORDINGS[language], min(height, width))
    rows, columns = _corner(height, width, plate, place)
    shown = luma[rows, columns]
    drawn = plate[..., :3].min(2)  # thin strokes are not quite white in a small picture
    letters, ground = shown[drawn > 0.8 * drawn.max()], shown[plate[..., :3].max(2) == 0]
    middle = (float(letters.mean()) + float(ground.mean())) / 2
    stand_out = float(letters.mean()) - float(ground.mean()) > READABLE
    return stand_out and min((letters > middle).mean(), (ground < middle).mean()) > CLEAN


def _corner(height: int, width: int, plate: npt.NDArray[np.uint8], place: str) -> tuple[slice, slice]:
    """The rows and columns of a frame where the plate lies."""
    plate_height, plate_width = plate.shape[:2]
    margin = min(height, width) // 40
    if plate_width + margin > width or plate_height + margin > height:
        raise ValueError(f"The label does not fit into a frame of {width}x{height} pixels: ask for a larger one.")
    top = margin if "top" in place else height - margin - plate_height
    left = margin if "left" in place else width - margin - plate_width
    return slice(top, top + plate_height), slice(left, left + plate_width)


@cache
def _draw(wording: Wording, shorter_side: int) -> npt.NDArray[np.uint8]:
    """The label by itself: (h, w, 4) uint8 RGBA."""
    font = _font(wording, MIN_HEIGHT_SHARE * shorter_side)
    left, top, right, bottom = (round(side) for side in font.getbbox(wording.text))
    pad = max(2, (bottom - top) // 3)
    image = Image.new("RGBA", (right - left + 2 * pad, bottom - top + 2 * pad), _PLATE_RGBA)
    # Text drawn straight onto the plate would make its soft edges see-through, so it is laid over it.
    ink = Image.new("RGBA", image.size)
    ImageDraw.Draw(ink).text((pad - left, pad - top), wording.text, _TEXT_RGBA, font)
    return np.asarray(Image.alpha_composite(image, ink))


def _font(wording: Wording, height: float) -> ImageFont.FreeTypeFont:
    """The wording's font, in the smallest size whose tall letter is at least height pixels tall."""
    size = max(6, round(height))  # a letter is lower than the size, so this starts too small
    while True:
        if wording.font is None:
            font = ImageFont.load_default(size)
        else:  # letters are joined already, so nothing is left to Raqm, which few machines have
            font = ImageFont.truetype(_FONTS / wording.font, size, layout_engine=ImageFont.Layout.BASIC)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
        _, top, _, bottom = font.getbbox(wording.tall)
        if bottom - top >= height:
            return font
        size += 1
