"""One page of HTML about what was evaluated, with every plot and picture inside it."""

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np
from PIL import Image

from distill.evaluate import ASKED, Seen, count
from distill.outcome import Outcome, values
from distill.world import MOTIONS, parts

SHEET = 24  # clips on a contact sheet
COLOURS = ("#2364aa", "#3da35d", "#c8553d", "#7d5ba6", "#b8860b", "#4f7cac", "#8a8d91")
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;border-bottom:1px solid #d8dee6;text-align:right}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}figure{margin:.6rem 0}
figure img{width:100%;max-width:36rem;display:block}figcaption{font-size:.9rem}.no{color:#b3261e}.yes{color:#1d7a36}"""


def page(outcomes: Sequence[Outcome], floor: float | None) -> str:
    """The whole page; floor: the Frechet distance of two sets of rendered clips like the first, None for too few."""
    sections = (_scores(outcomes), _values(outcomes), _sets(outcomes, floor), _motion(outcomes), *map(_sheet, outcomes))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
        f"<h1>Evaluation</h1><p>{escape(_method(outcomes))}</p>{''.join(sections)}</html>\n"
    )


def _method(outcomes: Sequence[Outcome]) -> str:
    sample, splits = outcomes[0].column.sample, dict.fromkeys(o.column.sample.split for o in outcomes)
    return (
        f"{sample.clips} clips a row, of {', '.join(splits)}, from seed {sample.seed} on. heldout, varied: combinations"
        " that no training has seen, plain or changed; pairs: of things that none has seen together; train: seen."
        " The model's own frames are judged by distill/judge.py, from their pixels alone, before they are brought to 30"
        " frames a second. Beside each clip the world draws one of the same: the measure of motion, flicker and"
        " variety. Intervals are of 95%: Wilson's for shares, by bootstrap for means."
    )


def _scores(outcomes: Sequence[Outcome]) -> str:
    results = [(o.column.title, o.result) for o in outcomes]
    plot = bars([(n, r.all_right, r.interval) for n, r in results], colours=range(len(results)))
    out = f"<h2>Right</h2>{_shares([(o.column.title, o.seen) for o in outcomes])}<h3>All right</h3>{plot}"
    for name, key in (("number of things", _things), ("language", lambda o, _: o.column.sample.language)):
        rows = _pooled(outcomes, key)
        if len(rows) > len({o.column.name for o in outcomes}):
            out += f"<h3>By {name}</h3>{_shares(rows)}"
    return out


def _things(_: Outcome, seen: Seen) -> str:
    return {1: "one thing", 2: "two things"}[len(parts(seen.what))]


def _pooled(outcomes: Sequence[Outcome], key: Callable[[Outcome, Seen], str]) -> list[tuple[str, list[Seen]]]:
    """The clips of all columns of the same models, by a key."""
    groups: dict[str, list[Seen]] = {}
    for o in outcomes:
        for seen in o.seen:
            groups.setdefault(f"{o.column.name}, {key(o, seen)}", []).append(seen)
    return list(groups.items())


def _shares(groups: Sequence[tuple[str, Sequence[Seen]]]) -> str:
    """A row a group: the shares that are right, and how many clips were asked for the attribute if not all were."""
    results = [(name, count([s.marks for s in seen])) for name, seen in groups]
    head = [p for p in (*ASKED, "all_right") if any(p in result.shares for _, result in results)]
    rows = []
    for name, result in results:
        cells = []
        for part in head:
            share = result.shares.get(part)
            some = f" of {share.of}" if share and share.of < result.clips else ""
            cells.append("{:.3f}{}, {} to {}".format(share.value, some, *share.interval) if share else "")
        rows.append([name, str(result.clips), *cells])
    return table(["", "clips", *(part.replace("_", " ") for part in head)], rows)


def _values(outcomes: Sequence[Outcome]) -> str:
    """All right, by value of each attribute."""
    told = [(o.column.title, o.by_value()) for o in outcomes]
    out = ["<h2>All right, by what was asked</h2>"]
    for part in (name for name in ASKED if any(name in by_value for _, by_value in told)):
        rows, colours = [], []
        for value in sorted({value for _, by_value in told for value in by_value.get(part, ())}):
            for i, (name, by_value) in enumerate(told):
                share = by_value.get(part, {}).get(value)
                if share:
                    rows.append((f"{value}, {name}: {share.right} of {share.of}", share.value, share.interval))
                    colours.append(i)
        out.append(f"<h3>{part.title()}</h3>{bars(rows, colours)}")
    return "".join(out)


def _sets(outcomes: Sequence[Outcome], floor: float | None) -> str:
    rows = []
    for o in outcomes:
        flicker, seam, varied = o.figure("flicker"), o.figure("seam"), o.varied()
        apart = "not measured" if varied is None else f"{varied[0]:.2f} ({varied[1]:.2f})"
        distance = "too few clips, or not 16:9" if o.frechet is None else f"{o.frechet:.2f}"
        rows.append([o.column.title, distance, *(_against(*figure) for figure in (flicker, seam)), apart])
    head = ["", "Frechet distance", "flicker, levels of 255", "change at borders of latents", "variety across seeds"]
    known = "" if floor is None else f" Two sets of the world's clips, of the first row, are {floor:.2f} apart."
    return (
        f"<h2>As sets</h2>{table(head, rows)}<p>In brackets: the same of the world's clips.{known} The distance is of"
        " the features of distill/features.py. Change at borders: over the change between other frames; 1 is no seam."
        " Variety: mean distance of the features of clips of one combination.</p>"
    )


def _against(mean: float, interval: tuple[float, float], world: float) -> str:
    return f"{mean:.2f}, {interval[0]:.2f} to {interval[1]:.2f} ({world:.2f})"


def _motion(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for o in outcomes:
        asked = {value for s in o.seen for value in values(s.what)}
        whole = [("all", None), *((m, m) for m in MOTIONS if ("motion", m) in asked)]
        moved = [(label, *o.moved(which)) for label, which in whole]
        rows += [[f"{o.column.title}, {label}", f"{mean:.2f}", f"{a:.2f} to {b:.2f}"] for label, mean, (a, b) in moved]
    plots = "".join(f"<h3>{escape(o.column.title)}</h3>{scatter(_points(o))}" for o in outcomes)
    head = ["motion over that of the world's clip", "mean ratio", "95%"]
    return f"<h2>How much moves</h2>{table(head, rows)}<p>Optical flow, shorter sides of the frame a second.</p>{plots}"


def _points(outcome: Outcome) -> list[tuple[float, float]]:
    return [(world.figures.motion, traits.figures.motion) for _, traits, world in outcome.beside]


def _sheet(outcome: Outcome) -> str:
    figures = []
    for seen in outcome.seen[:SHEET]:
        marks = " ".join(
            f'<span class="{"yes" if seen.marks[p] else "no"}">{p}</span>' for p in ASKED if p in seen.marks
        )
        caption = f"<bdi>{escape(seen.caption)}</bdi> ({marks})"
        figures.append(f"<figure>{picture(seen.frames)}<figcaption>{caption}</figcaption></figure>")
    return f"<h2>First clips: {escape(outcome.column.title)}</h2>{''.join(figures)}"


def picture(frames: np.ndarray) -> str:
    """Frames (N, H, W, 3) uint8 side by side, as an img element that holds its JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(buffer, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; its cells are escaped here."""
    titles = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"


def bars(rows: Sequence[tuple[str, float, tuple[float, float]]], colours: Iterable[int]) -> str:
    """Shares in [0, 1] as bars with their intervals, an SVG."""
    parts, height, left, width = [], 24, 330, 400
    for i, ((label, share, (low, high)), colour) in enumerate(zip(rows, colours, strict=True)):
        y = i * height
        paint = COLOURS[colour % len(COLOURS)]
        parts.append(
            f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{left}" y="{y + 4}" width="{share * width:.1f}" height="16" fill="{paint}"/>'
            f'<path d="M{left + low * width:.1f} {y + 12}H{left + high * width:.1f}" stroke="#1c2733"/>'
            f'<text x="{left + width + 8}" y="{y + 16}">{share:.2f}</text>'
        )
    frame = f'<path d="M{left} 0V{len(rows) * height}M{left + width} 0V{len(rows) * height}" stroke="#aab4c0"/>'
    return _svg(left + width + 60, len(rows) * height + 4, "".join(parts) + frame)


def scatter(points: Sequence[tuple[float, float]], size: int = 300) -> str:
    """Points (x: rendered, y: generated) in a square with its diagonal, an SVG."""
    most = max(1e-6, *(value for point in points for value in point))
    paint, scale = f'r="2.5" fill="{COLOURS[0]}" opacity=".6"', size / most
    dots = "".join(f'<circle cx="{x * scale:.1f}" cy="{size - y * scale:.1f}" {paint}/>' for x, y in points)
    frame = f'<path d="M0 0V{size}H{size}M0 {size}L{size} 0" stroke="#aab4c0" fill="none"/>'
    words = f'<text x="6" y="14">generated, up to {most:.2f}</text><text x="{size - 60}" y="{size - 6}">rendered</text>'
    return _svg(size + 4, size + 4, frame + dots + words)


def _svg(width: int, height: int, inside: str) -> str:
    style = 'style="font:13px system-ui,sans-serif"'
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" {style}>{inside}</svg>'
