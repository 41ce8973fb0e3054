"""The page and how it is served: looks, limits, and everything closed that a visitor does not need."""

from typing import Any

import gradio as gr

from wan_demo.request import LANGUAGES
from wan_demo.ui.check import CheckTab
from wan_demo.ui.create import CreateTab
from wan_demo.ui.desk import Desk
from wan_demo.ui.form import QUIET
from wan_demo.ui.style import CSS, FONTS, HEADER, LOOKS, MONO_FONTS
from wan_demo.ui.visitor import can_sign_in

WAITING = 8  # clips and files to check that wait; the next visitor is told to come back
KEPT_S = 3600  # how long a clip can be downloaded


def build(desk: Desk) -> gr.Blocks:
    """The page. Nothing is reported to anybody, and no file outlives its hour."""
    page: gr.Blocks = gr.Blocks(title="wan_demo", analytics_enabled=False, delete_cache=(KEPT_S // 4, KEPT_S))
    with page:
        gr.HTML(HEADER)
        if desk.lender is not None and can_sign_in():
            gr.LoginButton(size="sm")
        with gr.Tab("Create"):
            tab = CreateTab(desk)
        with gr.Tab("Check a file"):
            CheckTab()
        page.load(preferred_language, None, tab.form.language, **QUIET)
        page.load(tab.refresh, None, tab.form.tier, **QUIET)
    page.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return page


def preferred_language(visitor: gr.Request) -> str:
    """The first language of the visitor's browser that the label speaks; English otherwise."""
    wanted = visitor.headers.get("accept-language", "").replace(" ", "").split(",")
    codes = (entry.split(";")[0].split("-")[0].lower() for entry in wanted)
    return next((code for code in codes if code in LANGUAGES), LANGUAGES[0])


def launch_settings() -> dict[str, Any]:
    """For `Blocks.launch`: gradio's defaults that are unsafe or noisy, overridden."""
    return {
        "theme": theme(),
        "css": CSS,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "max_file_size": "200mb",  # of a video to check
        "allowed_paths": [],
        "state_session_capacity": 100,
        "app_kwargs": {"docs_url": None, "redoc_url": None, "openapi_url": None},
        "strict_cors": True,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "show_error": False,
        "inline": False,
        "quiet": True,
    }


def theme() -> gr.themes.Base:
    """Calm colours and the fonts of the visitor's own system, so that none is fetched."""
    base = gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="md",
        font=FONTS,
        font_mono=MONO_FONTS,
    )
    return base.set(**LOOKS)
