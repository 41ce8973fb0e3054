"""What the page shows, as text and HTML. Everything that comes from a person or a model is escaped."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from wan_demo.events import BESIDE_WRITE
from wan_demo.plans import Fit
from wan_demo.presets import Preset
from wan_demo.quota import QUOTAS_S, Price
from wan_demo.request import FRAME_RATES, Request, Soundtrack
from wan_demo.setup import Setup
from wan_demo.ui.job import View
from wan_demo.worker import STAGES

# What a stage does, in plain words; a stage that is not here goes by its own name.
WORDS = {
    "encode": "read the prompt",
    "layout": "layout",
    "upsample": "enlarge",
    "detail": "detail",
    "lengthen": "slow down",
    "redraw": "draw it anew",
    "decode": "turn into frames",
    "frame rate": "smooth motion",
    "resize": "resize",
    "check": "safety check",
    "mend": "mend flicker",
    "sound": "sound",
    "captions": "captions",
    "label": "add label",
    "watermark": "watermark",
    "write": "finish and write",
    "sign": "sign",
    "read back": "read it back",
}
TIERS = {  # name, what it is
    "full": ("Full", "Two expert models in full precision, one after the other."),
    "distilled": ("Distilled", "A fast student of the full model, stored in 8 bits."),
}

KINDS = {  # of visitors, see quota.QUOTAS_S
    "anonymous": "a visitor who has not signed in",
    "free": "a free account",
    "pro": "a PRO account",
}


def tier_choice(preset: Preset, seconds: float | None, fit: Fit | None = None) -> str:
    """A tier and what it costs, one line each. seconds: a whole clip on this machine, None before the first; fit: at
    720p, None until it is known.
    """
    name, what = TIERS[preset.tier]
    count, guided = preset.schedule.steps, preset.guided_steps
    steps = f"{count} steps" + (f", {guided} of them guided" if 0 < guided < count else ", guided" if guided else "")
    cost = "not timed on this machine yet" if seconds is None else f"about {duration(seconds)} on this machine"
    if fit is not None and not fit.fits:
        cost = "does not fit this machine"
    elif fit is not None and fit.model_s is not None and seconds is None:
        cost += f" (its models alone: {duration(fit.model_s)}, estimated)"
    lines = [name, f"{steps}; {cost}", what]
    if preset.measured:
        of = preset.measured
        shown = f"{of.all_right:.0%} of {of.clips} test clips show all that was asked"
        lines.append(f"{shown}; of two things, {of.pairs_right:.0%} of {of.pairs}")
    return "\n".join(lines)


def fits(fit: Fit) -> str:
    """Whether what is chosen runs here, and why."""
    if not fit.fits:
        return refusal(f"This does not fit here: {fit.why}. Choose another tier or size, or a larger machine.")
    host = f"; {fit.host_gib:.1f} GiB wait in the machine's own memory" if fit.host_gib else ""
    return f'<p class="fits">Fits here: {escape(fit.why)}{host}.</p>'


def price(asked: Price, kind: str) -> str:
    """What a clip asks for of a visitor's quota, and whether a day's is enough."""
    if not asked.within(kind):
        return refusal(beyond(asked, kind))
    why = "" if asked.measured else ": ZeroGPU's default, for no such clip was timed here yet"
    return (
        f'<p class="fits">Asks for {asked.seconds} s of a GPU{why}; {KINDS[kind]} may use {QUOTAS_S[kind]} s a day.</p>'
    )


def beyond(asked: Price, kind: str) -> str:
    """Why a visitor cannot have what a day's quota does not pay for."""
    others = [other for other in QUOTAS_S if asked.within(other)]
    way = f"sign in ({KINDS[others[0]]} may use {QUOTAS_S[others[0]]} s), or choose" if others else "choose"
    return (
        f"This asks for {asked.seconds} s of a GPU, and {KINDS[kind]} may use {QUOTAS_S[kind]} s a day: {way} another"
        " tier, a smaller size or a shorter clip."
    )


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 12 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def moment(then: datetime) -> str:
    """A time that was, for people: on 3 May 2026 at 16:05 UTC."""
    return f"on {then.day} {then:%B %Y at %H:%M} UTC"


def status(view: View) -> str:
    """The line of stages, and the notices or the error."""
    parts = [_box("notice", notice) for notice in view.notices]
    if view.error:
        return "".join([*parts, refusal(view.error)])
    if view.again is not None:
        return message(
            f"This clip was made {moment(view.again)}, from the same words, settings and models; it is shown again."
            " For a new one, press New seed, then Generate."
        )
    if view.now is None and view.published is None:
        return "".join([*parts, message("Waiting for the models: the first clip after a start takes longer.")])
    done = dict(view.stages)
    request = view.request
    skipped = {
        "upsample": request.mode == "direct",
        "mend": not request.delivery.mend,
        "sound": request.sound.silent,
        # Only the chain knows whether a clip is lengthened: these two are shown once they have begun.
        "lengthen": True,
        "redraw": True,
    }
    begun = {*done, view.now.stage} if view.now else {*done}
    stages = [s for s in STAGES if s in begun or not skipped.get(s)]
    chips = "".join(_chip(stage, done, view) for stage in stages)
    return "".join([*parts, f'<div class="stages" role="status">{chips}{_left(view)}</div>'])


def nothing_yet() -> str:
    """What stands where the clip will be."""
    return '<div class="nothing">Your clip will be here.</div>'


def message(text: str) -> str:
    """A plain sentence in the place of the stages."""
    return f'<div class="stages" role="status"><span class="left">{escape(text)}</span></div>'


def hint(knows: str) -> str:
    """What the model knows; nothing for one that knows no bounds."""
    return f'<p class="hint">This model is small and draws a world of its own. {escape(knows)}</p>' if knows else ""


def refusal(sentence: str) -> str:
    """Why there is no clip."""
    return _box("error", sentence)


def results(report: Mapping[str, Any], again: datetime | None = None) -> str:
    """The figures of a clip, and its seconds per stage as bars. again: when it was made, if that was not now."""
    seconds: dict[str, float] = report["seconds"]
    longest = max((s for stage, s in seconds.items() if stage != "total"), default=0) or 1
    bars = "".join(
        f'<div class="bar"><span>{escape(WORDS.get(stage, stage))}</span>'
        f'<i><b style="width:{max(0.5, 100 * s / longest):.1f}%"></b></i><em>{s:.2f} s</em></div>'
        for stage, s in seconds.items()
        if stage != "total"
    )
    mended = [name for name, found in report.get("mended", {}).items() if found["mended"]]
    shown = {
        "frames": report["frames"],
        "frame rate": f"{report['fps']} a second",
        "video": report["codec"],
        "size": f"{report['width']}x{report['height']}",
        "length": f"{report['duration_s']:.2f} s",
        **({"mended": ", ".join(mended)} if mended else {}),
        **({"loudness": f"{report['sound']['lufs']:.1f} LUFS"} if "sound" in report else {}),
        "seed": report["seed"],
        "id": report["id"],
        "peak memory": f"{report['peak_memory_gib']:.2f} GiB",
    }
    total = f"{seconds['total']:.1f} s" if "total" in seconds else ""
    when = f", {moment(again)}" if again is not None else ""
    beside = [WORDS.get(stage, stage) for stage in seconds if stage in BESIDE_WRITE]
    told = f"{', '.join(beside).capitalize()}: done while the frames before are written."
    meanwhile = f'<p class="hint">{told}</p>' if beside else ""
    return f'<h3>Made in {total}{when}</h3><div class="bars">{bars}</div>{meanwhile}{figures(shown)}'


def figures(values: Mapping[str, object]) -> str:
    """Names and values as a small table."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(v))}</dd></div>" for name, v in values.items())
    return f'<dl class="figures">{cells}</dl>'


def command(request: Request, setup: Setup) -> str:
    """The shell command that makes the clip again."""
    options = {
        "tier": request.tier,
        "seed": request.seed,
        "mode": request.mode,
        "size": f"{request.delivery.width}x{request.delivery.height}",
        "fps": next(name for name, rate in FRAME_RATES.items() if rate == request.delivery.fps),
        "codec": request.delivery.codec,
        "timing": request.delivery.timing,
        **({} if request.delivery.mend else {"no-mend": True}),
        "duration": request.duration_s,
        **({"negative": request.negative} if request.negative else {}),
        **_sound_options(request.sound),
        "label": request.delivery.label.place,
        "label-language": request.delivery.label.language,
    }
    words = ["python", "-m", "wan_demo", "generate", *setup.flags()]
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}={value}"]  # what starts with - needs the =
    return shlex.join([*words, *(["--"] if request.prompt.startswith("-") else []), request.prompt])


def _sound_options(sound: Soundtrack) -> dict[str, object]:
    """The flags of what is heard; True for those without a value."""
    asked = {
        "sound": sound.file and sound.file.name,
        "fit": sound.file and sound.fit,
        "beats": sound.beats,
        "effects": sound.effects,
        "narrate": sound.narration,
        "captions": sound.narration and sound.captions,
    }
    return {name: value for name, value in asked.items() if value}


def beats(report: Mapping[str, Any]) -> str:
    """A picture of the motion against the sound's onsets, before and after it was moved onto them."""
    found, length = report["beats"], report["duration_s"]
    if not found["onsets"]:
        return ""
    pictures = "".join(
        f"<figcaption>{escape(name)}{_misses(found[missed])}</figcaption>"
        + _timeline(found["onsets"], found[speed], found[shown], length)
        for name, speed, shown, missed in (
            ("as drawn", "speed_before", "motions", "miss_before_ms"),
            ("on the beat", "speed_after", "shown", "miss_after_ms"),
        )
    )
    pulse = f", {found['tempo']:.0f} beats a minute" if found["tempo"] else ""
    lines = "Lines: beginnings in the sound. Dots: where the motion changes at once. Curve: speed."
    return f'<h3>Motion and sound{pulse}</h3><figure class="beats">{pictures}</figure><p class="hint">{lines}</p>'


def _misses(misses: Sequence[float]) -> str:
    return f": {sum(misses) / len(misses):.0f} ms apart on average" if misses else ""


def _timeline(onsets: Sequence[float], speeds: Sequence[float], dots: Sequence[float], length: float) -> str:
    """SVG, 100 units a clip wide and 20 high."""
    top = max(*speeds, 1e-9)
    curve = " ".join(f"{100 * i / (len(speeds) - 1):.1f},{19 - 16 * s / top:.1f}" for i, s in enumerate(speeds))
    lines = "".join(f'<line x1="{100 * t / length:.2f}" x2="{100 * t / length:.2f}" y1="0" y2="20"/>' for t in onsets)
    marks = "".join(f'<circle cx="{100 * t / length:.2f}" cy="3" r="1.2"/>' for t in dots)
    return f'<svg viewBox="0 0 100 20" role="img"><polyline points="{curve}"/>{lines}{marks}</svg>'


def _chip(stage: str, done: Mapping[str, float], view: View) -> str:
    name = escape(WORDS.get(stage, stage))
    if stage in done:
        return f'<span class="done">{name} <small>{done[stage]:.1f} s</small></span>'
    if view.now is not None and stage == view.now.stage:
        count = f" <small>{view.now.step}/{view.now.steps}</small>" if view.now.steps > 1 else ""
        return f'<span class="now">{name}{count}</span>'
    return f"<span>{name}</span>"


def _left(view: View) -> str:
    if view.now is None or view.now.seconds_left is None:
        return ""
    return f'<span class="left">about {duration(view.now.seconds_left)} left</span>'


def _box(kind: str, text: str) -> str:
    role = "alert" if kind == "error" else "note"
    return f'<div class="box {kind}" role="{role}">{escape(text)}</div>'
