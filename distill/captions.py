"""What people say about a clip: a plain caption and many paraphrases of it."""

import numpy as np

from distill.world import Combination

# For each value: the plain word first, then other words for it.
THING_WORDS = {
    "ball": ("ball", "round ball", "beach ball", "striped ball", "sphere"),
    "box": ("box", "square", "cube", "square box", "block"),
    "triangle": ("triangle", "triangle shape", "triangular sign"),
    "star": ("star", "five-pointed star", "star shape"),
    "heart": ("heart", "heart shape", "love heart"),
    "moon": ("moon", "crescent", "crescent moon", "half moon"),
}
COLOUR_WORDS = {
    "red": ("red", "bright red", "crimson", "scarlet"),
    "orange": ("orange", "bright orange"),
    "yellow": ("yellow", "golden", "bright yellow", "gold"),
    "green": ("green", "emerald", "bright green"),
    "blue": ("blue", "bright blue", "royal blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy", "light pink"),
    "white": ("white", "snow-white", "pure white"),
}
SCENE_WORDS = {
    "night": ("in the night sky", "at night", "under the stars", "in a starry sky", "in the dark night sky"),
    "sea": ("over the sea", "over the ocean", "above the waves", "at sea", "over the water", "over the blue sea"),
    "grass": ("over green grass", "over the grass", "over a green meadow", "above a lawn", "in a green field"),
    "desert": ("in the desert", "over sand dunes", "above the sand", "over the sandy desert", "in a hot desert"),
    "snow": ("in the snow", "over a snowy field", "above the snow", "in a snowy landscape", "over white snow"),
}
# Third person first ("it ..."), then the participle.
MOTION_WORDS = {
    "moves left": (
        ("moves left", "moving left"),
        ("moves to the left", "moving to the left"),
        ("slides left", "sliding left"),
        ("drifts to the left", "drifting to the left"),
        ("goes left", "going left"),
        ("travels left", "travelling left"),
        ("flies to the left", "flying to the left"),
    ),
    "moves right": (
        ("moves right", "moving right"),
        ("moves to the right", "moving to the right"),
        ("slides right", "sliding right"),
        ("drifts to the right", "drifting to the right"),
        ("goes right", "going right"),
        ("travels right", "travelling right"),
        ("flies to the right", "flying to the right"),
    ),
    "rises": (
        ("rises", "rising"),
        ("goes up", "going up"),
        ("floats up", "floating up"),
        ("moves up", "moving up"),
        ("climbs", "climbing"),
        ("flies upwards", "flying upwards"),
    ),
    "falls": (
        ("falls", "falling"),
        ("drops", "dropping"),
        ("goes down", "going down"),
        ("falls down", "falling down"),
        ("sinks", "sinking"),
        ("moves down", "moving down"),
    ),
    "bounces": (
        ("bounces", "bouncing"),
        ("bounces up and down", "bouncing up and down"),
        ("hops", "hopping"),
        ("jumps up and down", "jumping up and down"),
    ),
    "spins": (
        ("spins", "spinning"),
        ("rotates", "rotating"),
        ("turns around", "turning around"),
        ("spins in place", "spinning in place"),
        ("twirls", "twirling"),
    ),
    "grows": (
        ("grows", "growing"),
        ("gets bigger", "getting bigger"),
        ("expands", "expanding"),
        ("grows larger", "growing larger"),
        ("swells", "swelling"),
    ),
    "shrinks": (
        ("shrinks", "shrinking"),
        ("gets smaller", "getting smaller"),
        ("becomes smaller", "becoming smaller"),
        ("shrinks away", "shrinking away"),
    ),
}
# {n}: noun phrase with article, {s}: scene, {v}: third person, {p}: participle.
FORMS = (
    "{n} {v} {s}",
    "{n} {v} {s}",
    "{s}, {n} {v}",
    "{s} {n} {v}",
    "{n} {p} {s}",
    "{n} that {v} {s}",
    "{s} there is {n} {p}",
    "there is {n} {s}, {p}",
    "{n} {s} {v}",
    "{n} {s}, it {v}",
    "a video of {n} {p} {s}",
    "a clip of {n} that {v} {s}",
    "watch {n} {p} {s}",
)


def plain(combination: Combination) -> str:
    """The plain caption, such as "a red ball moves right over green grass"."""
    noun = _with_article(f"{combination.colour} {combination.thing}")
    return f"{noun} {combination.motion} {SCENE_WORDS[combination.scene][0]}"


def paraphrase(combination: Combination, rng: np.random.Generator) -> str:
    """One of the many captions of a combination; one in five is the plain one."""
    if rng.random() < 0.2:
        return plain(combination)
    thing, colour = _pick(THING_WORDS[combination.thing], rng), _pick(COLOUR_WORDS[combination.colour], rng)
    third, participle = MOTION_WORDS[combination.motion][rng.integers(len(MOTION_WORDS[combination.motion]))]
    noun = _with_article(f"{thing} that is {colour}," if rng.random() < 0.08 else f"{colour} {thing}")
    if rng.random() < 0.1:
        noun = "the " + noun.split(" ", 1)[1]
    text = _pick(FORMS, rng).format(n=noun, s=_pick(SCENE_WORDS[combination.scene], rng), v=third, p=participle)
    if rng.random() < 0.3:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.3 else text


def every_text() -> list[str]:
    """All words that captions are made of, for the tokenizer."""
    words = [w for table in (THING_WORDS, COLOUR_WORDS, SCENE_WORDS) for row in table.values() for w in row]
    words += [w for row in MOTION_WORDS.values() for pair in row for w in pair]
    return words + [form.format(n="a an the that is it", s="", v="", p="") for form in FORMS] + [", ."]


def _with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]
