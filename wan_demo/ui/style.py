"""How the page looks. Colours are gradio's own variables, so that light and dark both work."""

FONTS = ("system-ui", "Segoe UI", "Roboto", "sans-serif")
MONO_FONTS = ("ui-monospace", "Menlo", "Consolas", "monospace")

# Over gradio's theme: text that is dark enough to read (4.5:1), quiet titles, a choice that is marked without shouting.
LOOKS = {
    "color_accent": "*primary_700",
    "body_text_color_subdued": "*neutral_500",
    "body_text_color_subdued_dark": "*neutral_400",
    "block_info_text_color": "*neutral_500",
    "block_info_text_color_dark": "*neutral_400",
    "block_title_background_fill": "none",
    "block_title_background_fill_dark": "none",
    "block_title_padding": "0",
    "block_title_text_color": "*neutral_800",
    "block_title_text_color_dark": "*neutral_100",
    "block_border_width": "1px",
    "input_border_width": "1px",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "*neutral_600",
    "checkbox_border_color": "*neutral_400",
    "checkbox_border_color_dark": "*neutral_500",
    "checkbox_border_width": "1px",
    "checkbox_label_background_fill_dark": "*neutral_800",
    "checkbox_label_border_color": "*neutral_300",
    "checkbox_label_border_color_dark": "*neutral_600",
    "input_shadow": "none",
    "block_shadow": "none",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_600",
    "checkbox_label_background_fill_selected": "*primary_50",
    "checkbox_label_background_fill_selected_dark": "*primary_950",
    "checkbox_label_border_color_selected": "*primary_700",
    "checkbox_label_border_color_selected_dark": "*primary_500",
    "checkbox_label_border_width": "1px",
    "checkbox_label_text_color_selected": "*neutral_800",
    "checkbox_label_text_color_selected_dark": "*neutral_100",
    "checkbox_background_color_selected": "*primary_700",
    "checkbox_background_color_selected_dark": "*primary_500",
    "checkbox_border_color_selected": "*primary_700",
    "checkbox_border_color_selected_dark": "*primary_500",
    "checkbox_label_shadow": "none",
}

HEADER = """<header class="top"><h1>wan_demo</h1>
<p>Describe a scene in one sentence and get a short video clip. A model draws it on the machine that serves this page;
the clip says that it is AI-generated.</p></header>"""

CSS = """
/* clip, not hidden, which would hold what is sticky */
.gradio-container { width: 100%; max-width: 1320px !important; margin: 0 auto !important; overflow: clip !important; }
.gradio-container * { overflow-wrap: anywhere; }
.top h1 { font-size: 1.7rem; font-weight: 650; letter-spacing: -.02em; margin: .6rem 0 .3rem; }
.top p, .hint, .fits { color: var(--body-text-color-subdued); line-height: 1.5; margin: 0; max-width: 46rem; }
.hint, .fits { font-size: .88rem; }

#examples .label { color: var(--body-text-color-subdued); font-weight: 500; }
#tier .wrap { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr)); gap: .6rem; }
#tier label { align-items: flex-start; white-space: pre-line; line-height: 1.5; height: 100%; }
#tier label span { font-weight: 400; color: var(--body-text-color-subdued); }
#tier label span::first-line { font-weight: 600; color: var(--body-text-color); }
#tier label input { margin-top: .3rem; }

#go { position: sticky; bottom: 0; z-index: 20; padding: .6rem 0; background: var(--body-background-fill); }
.nothing { display: grid; place-items: center; aspect-ratio: 16 / 9; border: 1px dashed var(--border-color-primary);
  border-radius: var(--radius-md); color: var(--body-text-color-subdued); }

.stages { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; font-size: .9rem; min-height: 2rem; }
.stages > span { padding: .18rem .6rem; border-radius: 999px; color: var(--body-text-color-subdued);
  border: 1px solid var(--border-color-primary); }
.stages .done { color: var(--body-text-color); background: var(--background-fill-secondary); }
.stages .done::before { content: "\\2713\\00a0"; color: var(--color-accent); font-weight: 700; }
.dark .stages .done::before { color: #2dd4bf; }
.stages .now { color: #fff; background: var(--color-accent);
  border-color: var(--color-accent); }
.stages .left { border: 0; font-variant-numeric: tabular-nums; }
.stages small { color: inherit; opacity: .85; font-variant-numeric: tabular-nums; }

.box { padding: .7rem .9rem; border-radius: var(--radius-md); line-height: 1.5; margin-bottom: .6rem;
  border: 1px solid; }
.box.notice { background: #fffbeb; border-color: #fde68a; color: #78350f; }
.box.error { background: #fef2f2; border-color: #fecaca; color: #991b1b; }
.dark .box.notice { background: #2d220c; border-color: #78580f; color: #fde68a; }
.dark .box.error { background: #331416; border-color: #7f1d1d; color: #fecaca; }

#status span.error { display: none; } /* gradio's own mark can follow a Cancel; failures have a box */

#result h3, #finding h3 { margin: .1rem 0 .7rem; font-size: 1.05rem; }
.bar { display: grid; grid-template-columns: 8.2rem 1fr 3.8rem; gap: .6rem; align-items: center; font-size: .88rem;
  line-height: 1.75; }
.bar i { height: .5rem; border-radius: 999px; background: var(--border-color-primary); overflow: hidden; }
.bar b { display: block; height: 100%; background: var(--color-accent); }
.bar em { font-style: normal; text-align: right; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(3, 1fr); gap: .7rem .6rem; margin: 1rem 0 0; }
.figures dt { font-size: .78rem; color: var(--body-text-color-subdued); }
.figures dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.beats svg { display: block; width: 100%; margin: .2rem 0 .8rem; }
.beats figcaption { font-size: .88rem; color: var(--body-text-color-subdued); }
.beats polyline { fill: none; stroke: var(--body-text-color-subdued); stroke-width: .3; }
.beats line { stroke: #d97706; stroke-width: .3; }
.beats circle { fill: var(--color-accent); }
#command textarea { font-family: var(--font-mono); font-size: .84rem; }
"""
