"""Burns captions into the picture."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, features

from wan_demo.clip import Caption
from wan_demo.request import RequestError

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

SIZE = 0.055  # height of a line's font, of the shorter side
ABOVE = 0.15  # of the height is left below, where the label may be
WIDEST = 0.86  # of the width
OUTLINE = 0.09  # of the font's size
# Fonts of the usual systems with many scripts, tried in turn where Pillow's own lacks a letter.
_FONTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansArabic-Regular.ttf",
    "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "msgothic.ttc",
    "arial.ttf",
)


def check_captions(captions: Sequence[Caption]) -> None:
    """Refuse what cannot be drawn here.

    Raises:
        RequestError: no font here has these letters, or they are joined and Pillow cannot join them.
    """
    for caption in captions:
        _font(caption.text, 24)


def burn(frames: Iterable[Frame], fps: Fraction, captions: Sequence[Caption]) -> Iterator[Frame]:
    """Draw each caption, white with a dark outline, low in the middle, on the frames that it lasts."""
    for k, frame in enumerate(frames):
        text = next((c.text for c in captions if c.start_s <= k / fps < c.end_s), "")
        yield _drawn(frame, text) if text else frame


def _drawn(frame: Frame, text: str) -> Frame:
    height, width = frame.shape[:2]
    ink = _ink(text, width, height)
    alpha = ink[..., 3:].astype(np.float32) / 255
    top, left = round(height * (1 - ABOVE)) - ink.shape[0], (width - ink.shape[1]) // 2
    drawn = frame.copy()
    part = drawn[top : top + ink.shape[0], left : left + ink.shape[1]]
    part[:] = np.rint(part * (1 - alpha) + ink[..., :3] * alpha)
    return drawn


@lru_cache(maxsize=2)
def _ink(text: str, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The text by itself, in lines that are not too wide: (h, w, 4) uint8 RGBA."""
    font = _font(text, round(SIZE * min(width, height)))
    outline = max(1, round(OUTLINE * font.size))
    lines = [""]
    for word in _pieces(text, lambda piece: font.getlength(piece.strip()) <= WIDEST * width):
        longer = f"{lines[-1]}{word}"
        if lines[-1] and font.getlength(longer.strip()) > WIDEST * width:
            lines.append(word.lstrip())
        else:
            lines[-1] = longer
    wrapped = "\n".join(line.strip() for line in lines)
    probe = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    left, top, right, bottom = probe.multiline_textbbox((0, 0), wrapped, font, stroke_width=outline, align="center")
    image = Image.new("RGBA", (min(width, round(right - left)), round(bottom - top)))
    ImageDraw.Draw(image).multiline_text(
        (-left, -top), wrapped, (255, 255, 255), font, align="center", stroke_width=outline, stroke_fill=(0, 0, 0)
    )
    return np.asarray(image)


def _pieces(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Where a line may end: before a space, or, where that leaves a piece that does not fit a line, anywhere."""
    words = [f" {word}" for word in text.split(" ")]
    return [piece for word in words for piece in ([word] if fits(word) else list(word))]


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    joined = any("\u0600" <= letter <= "\u08ff" for letter in text)
    if joined and not features.check("raqm"):
        raise RequestError(
            "Captions in Arabic cannot be burnt in here, for Pillow lacks Raqm: ask for a track instead."
        )
    default = ImageFont.load_default(size)
    assert isinstance(default, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    if _has(default, text):
        return default
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, size)
        except OSError:
            continue
        if _has(font, text):
            return font
    raise RequestError("No font here has all the letters of the captions: ask for a track instead, or install Noto.")


def _has(font: ImageFont.FreeTypeFont, text: str) -> bool:
    missing = bytes(font.getmask("\U0010ffff"))  # no font has this one: it draws the box that stands for "missing"
    return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in set(text))
