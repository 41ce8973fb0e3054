"""The sound of a place, synthesised from noise: waves, wind, crickets, birds, rain."""

from collections.abc import Callable

import numpy as np

from wan_demo.clip import RATE, Sound
from wan_demo.sound.noise import Floats, band, pan, wander

# What a prompt says of where it is, in the six languages: words, and, where these are not written apart, signs that may
# stand anywhere. A star says nothing of the place.
WORDS = {
    "sea": "sea ocean waves water beach shore mar océano olas agua playa mer océan vagues eau plage",
    "desert": "desert dunes sand sandy desierto arena dunas désert sable",
    "night": "night stars starry noche nocturno nocturna estrellas estrellado nuit nocturne étoiles étoilé",
    "snow": "snow snowy winter nieve nevado invierno neige enneigé hiver",
    "meadow": "grass meadow field lawn hierba prado césped campo herbe pré prairie pelouse champ",
    "rain": "rain rainy storm lluvia pluie orage",
}
SIGNS = {
    "sea": ("海", "水面", "水の上", "波", "بحر", "محيط", "أمواج", "الماء"),
    "desert": ("沙漠", "砂", "沙丘", "沙地", "صحراء", "رمال", "كثبان"),
    "night": ("夜", "星空", "ليل", "نجوم"),
    "snow": ("雪", "ثلج"),
    "meadow": ("草", "田野", "芝", "野原", "عشب", "مرج", "حقل"),
    "rain": ("雨", "مطر"),
}
# What sounds like a place, and is none.
NOWHERE = ("beach ball", "pelota de playa", "balón de playa", "ballon de plage", "snow-white", "雪白")
QUIET = 0.05  # deviation of an ambience, of full scale


def place_of(prompt: str) -> str | None:
    """Which of the places in WORDS a prompt speaks of, the first that is found."""
    text = prompt.lower()
    for name in NOWHERE:
        text = text.replace(name, "")
    words = set("".join(c if c.isalpha() else " " for c in text).split())
    for place, known in WORDS.items():
        if words & set(known.split()) or any(sign in text for sign in SIGNS[place]):
            return place
    return None


def ambience(place: str, count: int, seed: int) -> Sound:
    """`count` samples of a place, QUIET loud."""
    rng = np.random.default_rng([seed, list(WORDS).index(place)])
    stereo = _PLACES[place](rng, count)
    return Sound((QUIET * stereo / max(float(stereo.std()), 1e-12)).astype(np.float32))


def _sea(rng: np.random.Generator, count: int) -> Floats:
    t = np.arange(count) / RATE
    swell = 0.25 + 0.75 * np.sin(np.pi * (t / 4.7 + rng.uniform())) ** 2
    return _both(lambda: band(rng, count, 60, 500) * swell + 0.7 * band(rng, count, 900, 5000) * swell**3)


def _desert(rng: np.random.Generator, count: int) -> Floats:
    gusts = 0.3 + 0.7 * wander(rng, count, 1.3)
    pitch = wander(rng, count, 0.9)
    return _both(lambda: gusts * (band(rng, count, 180, 420) * (1 - pitch) + band(rng, count, 420, 900) * pitch))


def _night(rng: np.random.Generator, count: int) -> Floats:
    t = np.arange(count) / RATE
    mixed = 0.15 * _both(lambda: band(rng, count, 80, 400))
    for place, hertz in ((0.2, rng.uniform(4000, 4400)), (0.8, rng.uniform(4500, 4900))):
        chirps = (np.sin(2 * np.pi * (t * rng.uniform(1.4, 1.9) + rng.uniform())) > 0.2) * np.sin(np.pi * t * 33) ** 2
        mixed += pan(0.6 * np.sin(2 * np.pi * hertz * t) * chirps, place)
    return mixed


def _meadow(rng: np.random.Generator, count: int) -> Floats:
    breeze = 0.4 + 0.6 * wander(rng, count, 1.7)
    mixed = _both(lambda: 0.5 * breeze * band(rng, count, 300, 2500))
    t = np.arange(RATE // 8) / RATE
    for start in np.cumsum(rng.exponential(0.5, 2 + 4 * count // RATE)):
        hertz = rng.uniform(2800, 4200) + rng.uniform(-900, 900) * np.sin(np.pi * t * 8)
        call = pan(np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * np.sin(np.pi * t * 8) ** 2, rng.uniform())
        part = mixed[round(start * RATE) :][: len(call)]
        part += call[: len(part)]
    return mixed


def _snow(rng: np.random.Generator, count: int) -> Floats:
    gusts = 0.5 + 0.5 * wander(rng, count, 1.9)
    return _both(lambda: gusts * band(rng, count, 70, 260))


def _rain(rng: np.random.Generator, count: int) -> Floats:
    drops = (rng.uniform(size=count) < 60 / RATE) * rng.uniform(0.5, 2, count)
    patter = np.convolve(drops, np.exp(-np.arange(200) / 30), "same")
    return _both(lambda: band(rng, count, 1200, 9000) * (0.6 + patter))


def _both(make: Callable[[], Floats]) -> Floats:
    """Left and right, each noise of its own: wide, from nowhere in particular."""
    return np.stack([make(), make()], 1)


_PLACES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "sea": _sea,
    "desert": _desert,
    "night": _night,
    "meadow": _meadow,
    "snow": _snow,
    "rain": _rain,
}
