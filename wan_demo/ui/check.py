"""The Check tab: drop a video, learn whether it is ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from wan_demo.check import ALTERED, INTACT, NO_TRACE, Finding, check
from wan_demo.provenance.identity import IdentityError, load_identity
from wan_demo.store import KEYS, Records, home
from wan_demo.ui import draw
from wan_demo.ui.media import Upload

ASKS = "Was this video made here, and is it as it was published? It is deleted after an hour."
MEANING = {
    INTACT: "This server signed it, and neither picture nor metadata has changed since.",
    ALTERED: "It was made here, but is not as it was published: it was changed, copied or encoded again.",
    NO_TRACE: "Nothing in it proves that it was made here. Nor that it was not: hard treatment removes any mark.",
}
SIGNATURES = {
    "intact": "ours, valid",
    "altered": "ours, but the file was changed",
    "foreign": "not ours",
    "missing": "none",
}
WATERMARKS = {
    "ours": "ours",
    "copied": "of another clip of ours, copied onto this picture",
    "doubtful": "of a clip of ours, but too few pictures to tell whether it shows that clip: check a longer part of it",
    "none": "none found",
}


class CheckTab:
    """The widgets of the tab and what they do. Make it inside a gr.Blocks."""

    def __init__(self) -> None:
        gr.HTML(f'<p class="hint">{ASKS}</p>')
        self.file = Upload(
            label="A video", file_types=["video", ".mkv", ".ts", ".gif"], file_count="single", height=140
        )
        self.finding = gr.HTML(elem_id="finding")
        self.file.change(look, self.file, self.finding, api_visibility="private")


def look(path: str | None) -> str:
    """What is found in an uploaded file, as HTML."""
    if path is None:
        return ""
    try:
        finding = check(Path(path), load_identity(home() / KEYS), Records().fingerprint)
    except (ValueError, IdentityError) as error:
        return draw.refusal(str(error).replace(path, Path(path).name))
    return describe(finding, Records().find(finding.mark) if finding.mark else None)


def describe(finding: Finding, record: Mapping[str, Any] | None) -> str:
    """The verdict and what it rests on. The record's prompt stays here: whoever has a file need not know it."""
    rows: dict[str, Any] = {
        "signature": SIGNATURES[finding.signature],
        "watermark": WATERMARKS[finding.watermark],
        "id": finding.mark or "none",
    }
    if finding.source:
        rows["copied from" if finding.watermark == "copied" else "watermark of"] = finding.source
    if finding.missing:
        rows["missing"] = ", ".join(finding.missing)
    if finding.mark:
        rows["record on this server"] = "found" if record else "none"
    if record:
        rows |= {"tier": record["tier"], "seed": record["seed"]}
    title = finding.verdict.capitalize()
    return f'<h3>{title}</h3><p class="hint">{MEANING[finding.verdict]}</p>{draw.figures(rows)}'
