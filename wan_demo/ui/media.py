"""Files that come and go as they are. gradio's own components would hand them to ffmpeg, or fetch them from the web."""

from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData


class Player(gr.Video):
    """A video that is served as it is: what gradio thinks that browsers cannot play, it would encode again, and the
    signature would be gone."""

    is_template = True  # gradio: draw it as the class above it is drawn

    def postprocess(self, value: str | None) -> FileData | None:
        return None if value is None else FileData(path=value)


class Listener(gr.Audio):
    """A sound that is served as it is: gradio would have ffmpeg convert it, of a kind that ffmpeg may guess."""

    is_template = True

    def postprocess(self, value: str | None) -> FileData | None:  # type: ignore[override]
        return None if value is None else FileData(path=value)


class Upload(gr.File):
    """A file of a visitor's own: gradio would fetch an address too, of any size."""

    is_template = True

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Raises ValueError for what is no file."""
        if "://" in str(url_or_file_path):
            raise ValueError("Only a file can be given here, not an address.")
        return await super().async_move_resource_to_block_cache(url_or_file_path)
