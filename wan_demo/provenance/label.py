"""The visible label: people see that the clip was made by a model."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wan_demo.clip import Clip

TEXT = "AI-generated"
MIN_HEIGHT_SHARE = 0.05  # of the shorter side; GB 45438-2025 asks for this much
_PLATE_RGBA = (0, 0, 0, 176)  # dark enough for white text on a white scene (contrast 8:1), and the scene shines through
_TEXT_RGBA = (255, 255, 255, 255)
READABLE = 60  # levels; white letters on the plate are 110 or more lighter, in limited range, whatever is behind it


def add_label(clip: Clip, text: str = TEXT) -> Clip:
    """Draw text, white on a dark plate, in the bottom right corner of every frame.

    Its capitals are at least 5% of the shorter side tall. Returns a new clip of the same size, rate and length. Raises
    ValueError when the text is empty, has a letter that the font lacks, or is too wide for the frame.
    """
    height, width = clip.frames.shape[1:3]
    plate = _draw(text, min(height, width))
    rows, columns = _corner(height, width, plate)
    frames = clip.frames.copy()
    alpha = plate[..., 3:].astype(np.float32) / 255
    corner = frames[:, rows, columns]
    frames[:, rows, columns] = np.rint(corner * (1 - alpha) + plate[..., :3] * alpha).astype(np.uint8)
    return Clip(frames, clip.fps)


def has_label(luma: npt.NDArray[np.uint8], text: str = TEXT) -> bool:
    """Whether a frame's luma (H, W) shows the label: its letters are lighter than its plate by READABLE levels."""
    height, width = luma.shape
    plate = _draw(text, min(height, width))
    rows, columns = _corner(height, width, plate)
    shown = luma[rows, columns]
    letters = plate[..., :3].min(2) > 250
    ground = plate[..., :3].max(2) == 0
    return float(shown[letters].mean()) - float(shown[ground].mean()) > READABLE


def _corner(height: int, width: int, plate: npt.NDArray[np.uint8]) -> tuple[slice, slice]:
    """The rows and columns of a frame where the plate lies."""
    plate_height, plate_width = plate.shape[:2]
    margin = min(height, width) // 40
    if plate_width + margin > width or plate_height + margin > height:
        raise ValueError(f"The label does not fit into a frame of {width}x{height} pixels: shorten it.")
    rows = slice(height - margin - plate_height, height - margin)
    return rows, slice(width - margin - plate_width, width - margin)


def _draw(text: str, shorter_side: int) -> npt.NDArray[np.uint8]:
    """The label by itself: (h, w, 4) uint8 RGBA."""
    font = _font(MIN_HEIGHT_SHARE * shorter_side)
    _check(text, font)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    pad = max(2, (bottom - top) // 3)
    image = Image.new("RGBA", (right - left + 2 * pad, bottom - top + 2 * pad), _PLATE_RGBA)
    # Text drawn straight onto the plate would make its soft edges see-through, so it is laid over it.
    ink = Image.new("RGBA", image.size)
    ImageDraw.Draw(ink).text((pad - left, pad - top), text, _TEXT_RGBA, font)
    return np.asarray(Image.alpha_composite(image, ink))


def _font(capital_height: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font, in the smallest size whose capitals are at least capital_height pixels tall."""
    size = max(6, round(capital_height))  # a capital is lower than the size, so this starts too small
    while True:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
        _, top, _, bottom = font.getbbox("H")
        if bottom - top >= capital_height:
            return font
        size += 1


def _check(text: str, font: ImageFont.FreeTypeFont) -> None:
    if not text.strip():
        raise ValueError("The label needs a text.")
    missing = bytes(font.getmask("\U0010ffff"))  # no font has this one: it draws the box that stands for "missing"
    for letter in text:
        if not letter.isspace() and bytes(font.getmask(letter)) == missing:
            raise ValueError(f"The label's font has no letter {letter!r}.")
