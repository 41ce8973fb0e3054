"""English."""

import re

from distill.captions.language import Language, aimed

SIDEWAYS = (
    "moves @|moving @",
    "moves~ to the @|moving~ to the @",
    "slides @|sliding @",
    "drifts~ to the @|drifting~ to the @",
    "goes @|going @",
    "travels @|travelling @",
    "flies~ to the @|flying~ to the @",
)


def tidy(text: str) -> str:
    """An orange, not a orange."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


LANGUAGE = Language(
    things={
        "ball": ("ball", "round ball", "beach ball", "striped ball", "sphere"),
        "box": ("box", "square", "cube", "square box", "block"),
        "triangle": ("triangle", "triangle shape", "triangular sign"),
        "star": ("star", "five-pointed star", "star shape"),
        "heart": ("heart", "heart shape", "love heart"),
        "moon": ("moon", "crescent", "crescent moon", "half moon"),
        "flower": ("flower", "blossom", "daisy", "bloom"),
        "fish": ("fish", "tropical fish", "fish with fins"),
        "bird": ("bird", "songbird", "bird with wings"),
        "boat": ("boat", "sailing boat", "sailboat", "ship"),
        "leaf": ("leaf", "tree leaf", "pointed leaf", "leaf with a stem"),
        "ring": ("ring", "jewelled ring", "diamond ring", "ring with a gem", "ring with a stone"),
    },
    colours={
        "red": ("red", "bright red", "crimson", "scarlet"),
        "orange": ("orange", "bright orange"),
        "yellow": ("yellow", "golden", "bright yellow", "gold"),
        "green": ("green", "emerald", "bright green"),
        "blue": ("blue", "bright blue", "royal blue"),
        "purple": ("purple", "violet"),
        "pink": ("pink", "rosy", "light pink"),
        "white": ("white", "snow-white", "pure white"),
    },
    scenes={
        "night": ("in the night sky", "at night", "under the stars", "in a starry sky", "in the dark night sky"),
        "sea": ("over the sea", "over the ocean", "above the waves", "at sea", "over the water", "over the blue sea"),
        "grass": ("over green grass", "over the grass", "over a green meadow", "above a lawn", "in a green field"),
        "desert": ("in the desert", "over sand dunes", "above the sand", "over the sandy desert", "in a hot desert"),
        "snow": ("in the snow", "over a snowy field", "above the snow", "in a snowy landscape", "over white snow"),
    },
    motions={
        "moves left": aimed(SIDEWAYS, "left"),
        "moves right": aimed(SIDEWAYS, "right"),
        "rises": (
            "rises|rising",
            "goes up|going up",
            "floats up|floating up",
            "moves up|moving up",
            "climbs|climbing",
            "flies upwards|flying upwards",
        ),
        "falls": (
            "falls|falling",
            "drops|dropping",
            "goes down|going down",
            "falls down|falling down",
            "sinks|sinking",
            "moves down|moving down",
        ),
        "bounces": (
            "bounces|bouncing",
            "bounces up and down|bouncing up and down",
            "hops|hopping",
            "jumps up and down|jumping up and down",
        ),
        "spins": (
            "spins|spinning",
            "rotates|rotating",
            "turns around|turning around",
            "spins~ in place|spinning~ in place",
            "twirls|twirling",
        ),
        "grows": (
            "grows|growing",
            "gets bigger|getting bigger",
            "expands|expanding",
            "grows larger|growing larger",
            "swells|swelling",
        ),
        "shrinks": (
            "shrinks|shrinking",
            "gets smaller|getting smaller",
            "becomes smaller|becoming smaller",
            "shrinks away|shrinking away",
        ),
    },
    nouns=(*["a {colour} {thing}"] * 10, "the {colour} {thing}", "a {thing} that is {colour},"),
    forms=(
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
    ),
    pairs=(
        "{n} {v} and {n2} {v2} {s}",
        "{n} {v} and {n2} {v2} {s}",
        "{s} {n} {v} and {n2} {v2}",
        "{s}, {n} {v} while {n2} {v2}",
        "{n} {v} while {n2} {v2} {s}",
        "{n} {v} {s} and {n2} {v2}",
        "{n} {v}, {n2} {v2}, {s}",
        "{n} {v} {s}, {n2} {v2} beside it",
        "{n} {v} {s} with {n2} {p2} beside it",
        "{n} {v} next to {n2} that {v2} {s}",
        "{n} {p} beside {n2} {p2} {s}",
        "{n} {p} and {n2} {p2} {s}",
        "{n} that {v} and {n2} that {v2} {s}",
        "{s} there are {n} {p} and {n2} {p2}",
        "there is {n} {p} {s} and {n2} {p2}",
        "a video of {n} {p} and {n2} {p2} {s}",
        "watch {n} {p} and {n2} {p2} {s}",
    ),
    sizes={
        "small": ("small", "little", "tiny", "very small"),
        "big": ("big", "large", "huge", "giant", "enormous"),
    },
    sized=(
        *["a {size} {colour} {thing}"] * 10,
        "the {size} {colour} {thing}",
        "a {size} {thing} that is {colour},",
    ),
    speeds={
        "slowly": ("slowly @", "@ slowly", "gently @", "@ gently", "@ at a slow pace"),
        "fast": ("quickly @", "@ quickly", "@ fast", "rapidly @", "@ rapidly", "swiftly @", "@ at high speed"),
    },
    life={
        "night": ("while stars twinkle", "as the stars twinkle", "with twinkling stars", "while the stars sparkle"),
        "sea": ("while waves roll", "as the waves roll", "with rolling waves", "while the waves move"),
        "grass": ("while clouds drift by", "as clouds pass by", "with drifting clouds", "while the clouds move"),
        "desert": ("while sand blows in the wind", "as the wind blows the sand", "with blowing sand"),
        "snow": ("while snow falls", "as snowflakes fall", "with falling snow", "while it snows"),
    },
    lively=("{t} {l}", "{t} {l}", "{t}, {l}", "{l}, {t}"),
    tidy=tidy,
)
