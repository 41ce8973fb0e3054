"""Spanish."""

import re

from distill.captions.language import Language, aimed

SIDEWAYS = (
    "se mueve~ a la @|moviéndose~ a la @",
    "se mueve~ hacia la @|moviéndose~ hacia la @",
    "va~ hacia la @|yendo~ hacia la @",
    "se desliza~ hacia la @|deslizándose~ hacia la @",
    "se desplaza~ a la @|desplazándose~ a la @",
    "avanza~ hacia la @|avanzando~ hacia la @",
    "vuela~ hacia la @|volando~ hacia la @",
)


def tidy(text: str) -> str:
    """Del cubo and al cubo, not de el cubo and a el cubo; hay una caja, not hay la caja."""
    text = re.sub(r"\bhay el ", "hay un ", re.sub(r"\bhay la ", "hay una ", text))
    return re.sub(r"\b(de|a) el ", r"\1l ", text)


LANGUAGE = Language(
    things={
        "ball": ("f:pelota", "balón", "f:bola", "f:esfera", "f:pelota redonda", "f:pelota de playa"),
        "box": ("f:caja", "cubo", "cuadrado", "bloque"),
        "triangle": ("triángulo", "f:figura triangular", "letrero triangular"),
        "star": ("f:estrella", "f:estrella de cinco puntas"),
        "heart": ("corazón", "f:figura de corazón"),
        "moon": ("f:luna", "f:media luna", "f:luna creciente"),
        "flower": ("f:flor", "f:margarita"),
        "fish": ("pez", "pez tropical"),
        "bird": ("pájaro", "pájaro cantor"),
        "boat": ("barco", "f:barca", "velero", "barco de vela"),
        "leaf": ("f:hoja", "f:hoja de árbol"),
        "ring": ("anillo", "f:sortija", "anillo de diamantes"),
    },
    colours={
        "red": ("roj<o/a>", "roj<o/a> brillante", "escarlata", "carmesí"),
        "orange": ("naranja", "anaranjad<o/a>", "de color naranja"),
        "yellow": ("amarill<o/a>", "dorad<o/a>", "amarill<o/a> brillante"),
        "green": ("verde", "verde esmeralda", "verde brillante"),
        "blue": ("azul", "azul brillante", "de color azul"),
        "purple": ("morad<o/a>", "violeta", "púrpura", "de color violeta"),
        "pink": ("rosa", "rosad<o/a>", "de color rosa"),
        "white": ("blanc<o/a>", "totalmente blanc<o/a>"),
    },
    scenes={
        "night": ("en el cielo nocturno", "de noche", "bajo las estrellas", "en un cielo estrellado", "en la noche"),
        "sea": ("sobre el mar", "sobre el océano", "sobre las olas", "en el mar", "sobre el agua", "sobre el mar azul"),
        "grass": (
            "sobre la hierba verde",
            "sobre la hierba",
            "sobre el césped",
            "sobre un prado verde",
            "en un campo verde",
        ),
        "desert": (
            "en el desierto",
            "sobre las dunas",
            "sobre la arena",
            "sobre las dunas de arena",
            "en un desierto caluroso",
        ),
        "snow": (
            "en la nieve",
            "sobre la nieve",
            "sobre un campo nevado",
            "en un paisaje nevado",
            "sobre la nieve blanca",
        ),
    },
    motions={
        "moves left": aimed(SIDEWAYS, "izquierda"),
        "moves right": aimed(SIDEWAYS, "derecha"),
        "rises": (
            "sube|subiendo",
            "se eleva|elevándose",
            "asciende|ascendiendo",
            "flota~ hacia arriba|flotando~ hacia arriba",
            "se mueve~ hacia arriba|moviéndose~ hacia arriba",
            "va~ hacia arriba|yendo~ hacia arriba",
        ),
        "falls": (
            "cae|cayendo",
            "baja|bajando",
            "desciende|descendiendo",
            "se hunde|hundiéndose",
            "se mueve~ hacia abajo|moviéndose~ hacia abajo",
            "cae~ hacia abajo|cayendo~ hacia abajo",
        ),
        "bounces": (
            "rebota|rebotando",
            "bota|botando",
            "salta|saltando",
            "rebota arriba y abajo|rebotando arriba y abajo",
            "da saltos|dando saltos",
            "brinca|brincando",
        ),
        "spins": (
            "gira|girando",
            "da vueltas|dando vueltas",
            "rota|rotando",
            "gira~ sobre sí mism<o/a>|girando~ sobre sí mism<o/a>",
            "gira~ en su sitio|girando~ en su sitio",
        ),
        "grows": (
            "crece|creciendo",
            "se hace~ más grande|haciéndose~ más grande",
            "se agranda|agrandándose",
            "aumenta~ de tamaño|aumentando~ de tamaño",
            "se expande|expandiéndose",
        ),
        "shrinks": (
            "se encoge|encogiéndose",
            "se hace~ más pequeñ<o/a>|haciéndose~ más pequeñ<o/a>",
            "se achica|achicándose",
            "disminuye~ de tamaño|disminuyendo~ de tamaño",
            "se reduce|reduciéndose",
        ),
    },
    nouns=(*["<un/una> {thing} {colour}"] * 4, "<el/la> {thing} {colour}"),
    forms=(
        "{n} {v} {s}",
        "{n} {v} {s}",
        "{s}, {n} {v}",
        "{s} {n} {v}",
        "{s} {v} {n}",
        "{n} {p} {s}",
        "{n} que {v} {s}",
        "{s} hay {n} que {v}",
        "hay {n} {s}, {p}",
        "{n} {s} {v}",
        "se ve {n} {p} {s}",
        "un vídeo de {n} {p} {s}",
        "un clip de {n} que {v} {s}",
        "mira cómo {n} {v} {s}",
    ),
    pairs=(
        "{n} {v} y {n2} {v2} {s}",
        "{n} {v} y {n2} {v2} {s}",
        "{s}, {n} {v} y {n2} {v2}",
        "{s} {n} {v} mientras {n2} {v2}",
        "{s} {v} {n} y {v2} {n2}",
        "{n} {v} {s} mientras {n2} {v2}",
        "{n} {v} {s} y {n2} {v2}",
        "{n} {v}, {n2} {v2}, {s}",
        "{n} {v} {s}, con {n2} {p2} al lado",
        "{n} {v} {s} y a su lado {n2} {v2}",
        "{n} {v} junto a {n2} que {v2} {s}",
        "{n} que {v} y {n2} que {v2} {s}",
        "{s} hay {n} que {v} y {n2} que {v2}",
        "se ven {n} {p} y {n2} {p2} {s}",
        "un vídeo de {n} que {v} y {n2} que {v2} {s}",
        "mira cómo {n} {v} y {n2} {v2} {s}",
    ),
    small={
        "heart": ("corazoncito",),
        "flower": ("f:florecilla",),
        "fish": ("pececito",),
        "bird": ("pajarito",),
        "leaf": ("f:hojita",),
    },
    sizes={
        "small": ("pequeñ<o/a>", "diminut<o/a>", "minúscul<o/a>", "pequeñ<o/a>|muy pequeñ<o/a>"),
        "big": ("gran|grande", "enorme", "inmens<o/a>", "gran|muy grande"),
    },
    sized=(
        *["<un/una> {size} {thing} {colour}"] * 2,
        *["<un/una> {thing} {colour} {size2}"] * 2,
        "<un/una> {thing} {size2} {colour}",
        "<el/la> {size} {thing} {colour}",
    ),
    speeds={
        "slowly": ("@ lentamente", "@ despacio", "lentamente @", "@ poco a poco", "@ con lentitud"),
        "fast": ("@ rápidamente", "@ rápido", "rápidamente @", "@ a toda velocidad", "@ deprisa"),
    },
    life={
        "night": ("mientras titilan las estrellas", "mientras las estrellas brillan", "con estrellas que titilan"),
        "sea": ("mientras ruedan las olas", "mientras las olas se agitan", "con olas que ruedan"),
        "grass": ("mientras pasan las nubes", "mientras las nubes pasan", "con nubes que pasan"),
        "desert": ("mientras el viento arrastra la arena", "mientras vuela la arena", "con arena que vuela"),
        "snow": ("mientras cae la nieve", "mientras nieva", "mientras caen copos de nieve", "con nieve que cae"),
    },
    lively=("{t} {l}", "{t} {l}", "{t}, {l}", "{l}, {t}"),
    tidy=tidy,
)
