"""French."""

import re

from distill.captions.language import Language, aimed

SIDEWAYS = (
    "se déplace~ vers la @|se déplaçant~ vers la @",
    "va~ vers la @|allant~ vers la @",
    "va~ à @|allant~ à @",
    "glisse~ vers la @|glissant~ vers la @",
    "bouge~ vers la @|bougeant~ vers la @",
    "avance~ vers la @|avançant~ vers la @",
    "vole~ vers la @|volant~ vers la @",
)


def tidy(text: str) -> str:
    """L'étoile and du cube, not la étoile and de le cube. (The words that begin with h are written out.)"""
    text = re.sub(r"\b([dl]|qu)[ea] (?=[aeiouéèê])", r"\1'", text)
    return re.sub(r"\bde le ", "du ", text)


LANGUAGE = Language(
    things={
        "ball": ("ballon", "f:balle", "f:boule", "f:sphère", "ballon rond", "ballon de plage"),
        "box": ("f:boîte", "cube", "carré", "bloc"),
        "triangle": ("triangle", "panneau triangulaire", "f:forme triangulaire"),
        "star": ("f:étoile", "f:étoile à cinq branches"),
        "heart": ("cœur", "coeur"),
        "moon": ("f:lune", "croissant de lune", "f:demi-lune", "croissant"),
        "flower": ("f:fleur", "f:marguerite"),
        "fish": ("poisson", "poisson tropical"),
        "bird": ("oiseau", "passereau"),
        "boat": ("bateau", "voilier", "f:barque", "bateau à voile"),
        "leaf": ("f:feuille", "f:feuille d'arbre"),
        "ring": ("f:bague", "anneau", "f:alliance", "f:bague de diamants"),
    },
    colours={
        "red": ("rouge", "rouge vif", "écarlate", "cramoisi</e>"),
        "orange": ("orange", "orange vif", "de couleur orange"),
        "yellow": ("jaune", "doré</e>", "jaune vif"),
        "green": ("vert</e>", "vert émeraude", "vert vif"),
        "blue": ("bleu</e>", "bleu vif", "bleu roi"),
        "purple": ("violet</te>", "pourpre", "de couleur violette"),
        "pink": ("rose", "rose clair", "de couleur rose"),
        "white": ("blanc</he>", "tout</e> blanc</he>", "blanc pur"),
    },
    scenes={
        "night": (
            "dans le ciel nocturne",
            "la nuit",
            "sous les étoiles",
            "dans un ciel étoilé",
            "dans le ciel de nuit",
        ),
        "sea": (
            "au-dessus de la mer",
            "sur la mer",
            "au-dessus de l'océan",
            "au-dessus des vagues",
            "en mer",
            "sur l'eau",
            "sur la mer bleue",
        ),
        "grass": (
            "au-dessus de l'herbe verte",
            "sur l'herbe",
            "sur l'herbe verte",
            "dans un pré vert",
            "au-dessus d'une pelouse",
            "dans un champ vert",
        ),
        "desert": (
            "dans le désert",
            "au-dessus des dunes",
            "sur le sable",
            "au-dessus des dunes de sable",
            "dans un désert brûlant",
        ),
        "snow": (
            "dans la neige",
            "sur la neige",
            "au-dessus d'un champ enneigé",
            "dans un paysage enneigé",
            "sur la neige blanche",
        ),
    },
    motions={
        "moves left": aimed(SIDEWAYS, "gauche"),
        "moves right": aimed(SIDEWAYS, "droite"),
        "rises": (
            "monte|montant",
            "s'élève|s'élevant",
            "se déplace~ vers le haut|se déplaçant~ vers le haut",
            "flotte~ vers le haut|flottant~ vers le haut",
            "grimpe|grimpant",
            "s'envole|s'envolant",
        ),
        "falls": (
            "tombe|tombant",
            "descend|descendant",
            "chute|chutant",
            "se déplace~ vers le bas|se déplaçant~ vers le bas",
            "coule|coulant",
            "va~ vers le bas|allant~ vers le bas",
        ),
        "bounces": (
            "rebondit|rebondissant",
            "saute|sautant",
            "sautille|sautillant",
            "rebondit de haut en bas|rebondissant de haut en bas",
            "fait des bonds|faisant des bonds",
        ),
        "spins": (
            "tourne|tournant",
            "tourne~ sur <lui/elle>-même|tournant~ sur <lui/elle>-même",
            "pivote|pivotant",
            "tournoie|tournoyant",
            "tourne~ sur place|tournant~ sur place",
        ),
        "grows": (
            "grandit|grandissant",
            "devient~ plus grand</e>|devenant~ plus grand</e>",
            "grossit|grossissant",
            "s'agrandit|s'agrandissant",
            "augmente~ de taille|augmentant~ de taille",
        ),
        "shrinks": (
            "rétrécit|rétrécissant",
            "devient~ plus petit</e>|devenant~ plus petit</e>",
            "rapetisse|rapetissant",
            "diminue|diminuant",
            "diminue~ de taille|diminuant~ de taille",
        ),
    },
    nouns=(*["<un/une> {thing} {colour}"] * 4, "<le/la> {thing} {colour}"),
    forms=(
        "{n} {v} {s}",
        "{n} {v} {s}",
        "{s}, {n} {v}",
        "{s} {n} {v}",
        "{n} {p} {s}",
        "{n} qui {v} {s}",
        "{s}, il y a {n} qui {v}",
        "il y a {n} {s}, <il/elle> {v}",
        "{n} {s} {v}",
        "on voit {n} {p} {s}",
        "une vidéo de {n} qui {v} {s}",
        "un clip de {n} {p} {s}",
        "regardez {n} qui {v} {s}",
    ),
    pairs=(
        "{n} {v} et {n2} {v2} {s}",
        "{n} {v} et {n2} {v2} {s}",
        "{s}, {n} {v} et {n2} {v2}",
        "{s} {n} {v} tandis que {n2} {v2}",
        "{n} {v} {s} pendant que {n2} {v2}",
        "{n} {v} {s} et {n2} {v2}",
        "{n} {v}, {n2} {v2}, {s}",
        "{n} {v} {s}, avec {n2} {p2} à côté",
        "{n} {v} {s} et à côté {n2} {v2}",
        "{n} {v} à côté de {n2} qui {v2} {s}",
        "{n} qui {v} et {n2} qui {v2} {s}",
        "{s} il y a {n} {p} et {n2} {p2}",
        "on voit {n} {p} et {n2} {p2} {s}",
        "une vidéo de {n} {p} et de {n2} {p2} {s}",
        "regardez {n} qui {v} et {n2} qui {v2} {s}",
    ),
    small={"flower": ("f:fleurette",)},
    sizes={
        "small": ("petit</e>", "minuscule", "tout</e> petit</e>"),
        "big": ("grand</e>", "gros</se>", "énorme", "immense"),
    },
    sized=(
        *["<un/une> {size} {thing} {colour}"] * 4,
        "<le/la> {size} {thing} {colour}",
    ),
    speeds={
        "slowly": ("@ lentement", "@ doucement", "@ avec lenteur", "@ tout doucement"),
        "fast": ("@ rapidement", "@ vite", "@ à toute vitesse", "@ très vite"),
    },
    life={
        "night": (
            "pendant que les étoiles scintillent",
            "tandis que les étoiles scintillent",
            "avec des étoiles qui scintillent",
        ),
        "sea": ("pendant que les vagues déferlent", "tandis que les vagues roulent", "avec des vagues qui déferlent"),
        "grass": (
            "pendant que les nuages passent",
            "tandis que des nuages défilent",
            "avec des nuages qui passent",
        ),
        "desert": (
            "pendant que le sable vole",
            "tandis que le vent souffle le sable",
            "avec du sable qui vole",
        ),
        "snow": (
            "pendant que la neige tombe",
            "tandis que des flocons tombent",
            "avec des flocons qui tombent",
            "pendant qu'il neige",
        ),
    },
    lively=("{t} {l}", "{t} {l}", "{t}, {l}", "{l}, {t}"),
    tidy=tidy,
)
