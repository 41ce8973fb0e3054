"""RGB to the planes of a video and back: BT.709, limited range."""

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB

BT709 = 1  # the code of BT.709 as primaries, as transfer and as matrix (ITU-T H.273); 2 means "not said"

# Exact rounding, and no pixel skipped when colour is halved or doubled in width; the same on every processor.
_SCALER = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)


def to_yuv(frame: Frame) -> av.VideoFrame:
    """A frame as an encoder takes it."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_SCALER,
        threads=1,
    )


def to_rgb(frame: av.VideoFrame) -> Frame:
    """A decoded frame, taken as limited-range BT.709 whatever its tags say."""
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALER,
        threads=1,
    )
    return np.asarray(rgb.to_ndarray(), np.uint8)
