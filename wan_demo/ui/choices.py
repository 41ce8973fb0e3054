"""What the Create tab offers, in words for people, and the values they stand for."""

from wan_demo.request import LANGUAGES

EXAMPLES = {  # sentences that a family draws well
    "pocket": (
        "a red ball moves right over green grass",
        "a blue fish moves right over the sea",
        "a purple leaf falls in the desert",
        "a red heart grows and a blue bird moves left over grass",
        "一只粉红色的鸟在沙漠里向左移动",
        "オレンジ色の箱が海の上で左に動く",
        "un corazón rojo sube sobre el mar",
        "un bateau rouge se déplace vers la droite sur la mer",
        "قلب أحمر يرتفع فوق البحر",
    ),
}
SIZES = [
    ("640x360, small", "640x360"),
    ("854x480, medium", "854x480"),
    ("1280x720, HD", "1280x720"),
    ("1920x1080, Full HD", "1920x1080"),
    ("3840x2160, 4K: slow", "3840x2160"),
    ("720x1280, upright HD", "720x1280"),
    ("1080x1920, upright Full HD", "1080x1920"),
    ("720x720, square", "720x720"),
    ("1080x1080, square Full HD", "1080x1080"),
]
CODEC_NAMES = [("H.264, plays everywhere", "h264"), ("H.265, for Apple and TVs", "h265"), ("AV1, newest", "av1")]
FIT_NAMES = [
    ("Cut it, or silence follows", "cut"),
    ("Repeat it", "loop"),
    ("The clip lasts as long, if it can", "clip"),
]
CAPTION_NAMES = [("None", "off"), ("In the picture", "burnt"), ("A track to turn on", "track")]
TIMING_NAMES = [("Exact", "exact"), ("Even: smoother, a little slower", "even")]
LABEL_LANGUAGES = dict(zip(LANGUAGES, ("English", "中文", "日本語", "Español", "Français", "العربية"), strict=True))
MODES = [("Small, then enlarged", "chain"), ("Small only", "direct")]
