"""The operator's brand: terms in the prompt, colours and logos in the frames, that must not be there or that must."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wan_demo.policy import Policy, PolicyError, Wanted
from wan_demo.safety.lexicon import build
from wan_demo.safety.normalise import read

Picture = npt.NDArray[np.uint8]

NEAR = 12.0  # in CIELAB (CIE76): a colour no further away is taken for the same; 2.3 is what an eye just tells
LEAST_SHARE = 0.01  # of the pixels of some frame
LIKE = 0.8  # correlation with a logo; 1 is the very picture
WIDTH = 480  # pixels of the frames that logos are looked for in
LOGO_WIDTHS = np.geomspace(0.05, 0.6, 16)  # of the frame's
FLAT = 4.0  # 8-bit steps of deviation: a plainer patch shows no logo, though it may correlate by chance

Report = dict[str, dict[str, float]]


def term_faults(prompt: str, terms: Wanted) -> Iterator[str]:
    """What is wrong with a prompt: 'has the term "acme"'. Disguised spellings count, as in the safety rules.

    Raises:
        ValueError: a term has no letters.
    """
    for term in (*terms.forbidden, *terms.required):
        there = bool(build({"brand": [term]}).groups(read(prompt)))
        if there and term in terms.forbidden:
            yield f'has the term "{term}"'
        if not there and term in terms.required:
            yield f'lacks the term "{term}"'


def picture_report(frames: Sequence[Picture], policy: Policy) -> Report:
    """How much of each colour and logo of the policy is in frames (H, W, 3): share of pixels, correlation (0 to 1)."""
    measures: dict[str, tuple[Wanted, Callable[[Sequence[Picture], str], float]]] = {
        "colours": (policy.colours, colour_share),
        "logos": (policy.logos, logo_likeness),
    }
    return {
        kind: {name: round(measure(frames, name), 4) for name in (*wanted.forbidden, *wanted.required)}
        for kind, (wanted, measure) in measures.items()
        if wanted != Wanted()
    }


def picture_faults(report: Report, policy: Policy) -> Iterator[str]:
    """What is wrong with the frames that `report` tells of: 'has the colour #ff0000'."""
    kinds = (("colours", "colour", policy.colours, LEAST_SHARE), ("logos", "logo", policy.logos, LIKE))
    for kind, word, wanted, least in kinds:
        for name in wanted.forbidden:
            if report[kind][name] >= least:
                yield f"has the {word} {Path(name).name}"
        for name in wanted.required:
            if report[kind][name] < least:
                yield f"lacks the {word} {Path(name).name}"


def colour_share(frames: Sequence[Picture], colour: str) -> float:
    """The largest share of a frame's pixels that are within NEAR of a colour "#rrggbb"."""
    wanted = _lab(np.array([[_rgb(colour)]], np.uint8))
    return max(
        float((np.linalg.norm(_lab(cv2.resize(f, None, fx=0.25, fy=0.25)) - wanted, axis=-1) < NEAR).mean())
        for f in frames
    )


def logo_likeness(frames: Sequence[Picture], path: str) -> float:
    """The best correlation of any patch of any frame with a picture, upright, LOGO_WIDTHS of the frame wide.

    Where the picture is see-through, anything may be behind it.

    Raises:
        ValueError: the file is no picture.
    """
    bgr, alpha = _logo(path)
    best = 0.0
    for frame in frames:
        height = round(WIDTH * frame.shape[0] / frame.shape[1])
        small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (WIDTH, height), interpolation=cv2.INTER_AREA)
        for share in LOGO_WIDTHS:
            size = round(WIDTH * share), round(WIDTH * share * bgr.shape[0] / bgr.shape[1])
            if 6 <= size[1] < height:
                shrunk, mask = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (bgr, alpha))
                best = max(best, _correlation(np.asarray(small, np.uint8), shrunk, mask > 127))
    return best


def try_rules(policy: Policy) -> None:
    """Read every term and logo of a policy, so that a bad one is told of before any work.

    Raises:
        PolicyError: one cannot be used.
    """
    try:
        list(term_faults("", policy.terms))
        for path in (*policy.logos.forbidden, *policy.logos.required):
            _logo(path)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise PolicyError(f"The operator's rules cannot be used ({reason}): mend them.") from None


def _logo(path: str) -> tuple[Picture, Picture]:
    """A picture (H, W, 3) in BGR, and how solid it is (H, W), 0 to 255; one in grey becomes one in colour.

    Raises:
        ValueError: the file is no picture.
    """
    found = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} is not a picture that can be read")
    logo = np.asarray(found if found.dtype == np.uint8 else found // 257, np.uint8)
    logo = np.asarray(cv2.cvtColor(logo, cv2.COLOR_GRAY2BGR) if logo.ndim == 2 else logo, np.uint8)
    alpha = logo[..., 3] if logo.shape[2] == 4 else np.full(logo.shape[:2], 255, np.uint8)
    return logo[..., :3], alpha


def _correlation(picture: Any, logo: Any, mask: Any) -> float:
    """The highest normalised correlation over all places, the brightness of each channel taken off."""
    area = np.repeat(mask[..., None], 3, 2).astype(np.float32)
    found = cv2.matchTemplate(picture.astype(np.float32), logo.astype(np.float32), cv2.TM_CCOEFF_NORMED, mask=area)
    mean = cv2.boxFilter(picture.astype(np.float32), -1, mask.shape[::-1], anchor=(0, 0))
    square = cv2.boxFilter(np.square(picture.astype(np.float32)), -1, mask.shape[::-1], anchor=(0, 0))
    plain = (square - np.square(mean)).max(-1)[: found.shape[0], : found.shape[1]] < FLAT**2
    found[plain | ~np.isfinite(found)] = 0
    return float(np.clip(found.max(initial=0), 0, 1))


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))


def _lab(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
