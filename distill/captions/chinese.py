"""Chinese, in simplified characters, and at times in traditional ones. Spaces part the words; they are not written."""

from distill.captions.language import Language, aimed

SIDEWAYS = ("向 @ 移动", "往 @ 移动", "向 @ 滑动", "往 @ 走", "朝 @ 飘动", "向 @ 飞", "向 @ 边 移动")
TRADITIONAL = str.maketrans(
    "红黄绿蓝圆体块标颗个动飘飞转圈变长胀缩来视频画滩浅纯鲜罗兰宝里热爱边弯团张丽风云弹双条鱼鸟儿叶树环钻带只闪烁滚涌扬随过缓时还与",
    "紅黃綠藍圓體塊標顆個動飄飛轉圈變長脹縮來視頻畫灘淺純鮮羅蘭寶裡熱愛邊彎團張麗風雲彈雙條魚鳥兒葉樹環鑽帶隻閃爍滾湧揚隨過緩時還與",
)


def traditional(text: str) -> str:
    """In traditional characters."""
    return text.translate(TRADITIONAL)


LANGUAGE = Language(
    things={
        "ball": ("球", "圆球", "皮球", "沙滩球", "球体"),
        "box": ("盒子", "箱子", "方块", "正方形", "立方体", "方盒"),
        "triangle": ("三角形", "三角", "三角形 标志"),
        "star": ("颗:星星", "颗:五角星", "星形"),
        "heart": ("爱心", "颗:心", "心形"),
        "moon": ("月亮", "月牙", "弯月", "新月", "半月"),
        "flower": ("朵:花", "朵:花朵", "朵:鲜花"),
        "fish": ("条:鱼", "条:鱼儿", "条:热带鱼"),
        "bird": ("只:鸟", "只:鸟儿"),
        "boat": ("艘:船", "艘:帆船", "条:船"),
        "leaf": ("片:叶子", "片:树叶"),
        "ring": ("枚:戒指", "枚:指环", "枚:钻戒", "枚:宝石 戒指"),
    },
    colours={
        "red": ("红色", "鲜红色", "大红色", "红"),
        "orange": ("橙色", "橘色", "橘黄色", "亮橙色"),
        "yellow": ("黄色", "金色", "金黄色", "黄"),
        "green": ("绿色", "翠绿色", "鲜绿色", "绿"),
        "blue": ("蓝色", "宝蓝色", "亮蓝色", "蓝"),
        "purple": ("紫色", "紫罗兰色", "紫"),
        "pink": ("粉色", "粉红色", "浅粉色"),
        "white": ("白色", "雪白色", "纯白色", "白"),
    },
    scenes={
        "night": ("在 夜空 中", "在 夜晚", "在 星空 下", "在 星空 中", "在 漆黑 的 夜空 中", "夜里"),
        "sea": ("在 海面 上", "在 大海 上", "在 海 上", "在 海浪 上方", "在 水面 上", "在 蓝色 的 大海 上"),
        "grass": (
            "在 绿草地 上",
            "在 草地 上",
            "在 绿色 的 草地 上",
            "在 草 上",
            "在 草坪 上",
            "在 草原 上",
            "在 绿色 的 田野 里",
        ),
        "desert": ("在 沙漠 里", "在 沙漠 中", "在 沙丘 上", "在 沙地 上方", "在 炎热 的 沙漠 中"),
        "snow": ("在 雪地 里", "在 雪 中", "在 雪 上", "在 雪地 上", "在 雪原 上", "在 白雪 上方"),
    },
    motions={
        "moves left": aimed(SIDEWAYS, "左"),
        "moves right": aimed(SIDEWAYS, "右"),
        "rises": ("上 升", "升 起", "向 上 移动", "往 上 飘", "向 上 飞", "往 上 升"),
        "falls": ("落 下", "下 落", "掉 下来", "往 下 掉", "向 下 移动", "下 沉", "下 降"),
        "bounces": ("弹跳", "跳", "跳动", "上 下 弹跳", "上 下 跳动", "蹦蹦跳跳", "蹦跳", "跳跃"),
        "spins": ("旋转", "转", "转动", "转圈", "原地 旋转", "原地 转圈", "自转"),
        "grows": ("变大", "越来越 大", "长大", "膨胀", "放大"),
        "shrinks": ("变小", "越来越 小", "缩小", "收缩"),
    },
    nouns=("一 {mark} {colour} 的 {thing}", "一 {mark} {colour} {thing}", "{colour} 的 {thing}", "{colour} {thing}"),
    forms=(
        "{n} {s} {v}",
        "{n} {s} {v}",
        "{s} {n} {v}",
        "{s} ， {n} {v}",
        "{n} 正 {s} {v}",
        "{s} 有 {n} 在 {v}",
        "{s} 有 {n} {v}",
        "{s} {v} 的 {n}",
        "{n} ， {s} {v}",
        "一段 {n} {s} {v} 的 视频",
        "{n} {s} {v} 的 画面",
        "看 ， {n} {s} {v}",
    ),
    pairs=(
        "{s} ， {n} {v} ， {n2} {v2}",
        "{s} ， {n} {v} ， {n2} {v2}",
        "{s} {n} {v} ， {n2} {v2}",
        "{n} {s} {v} ， {n2} {v2}",
        "{n} {s} {v} ， 同时 {n2} {v2}",
        "{n} {v} ， {n2} {v2} ， {s}",
        "{s} {n} 正 {v} ， 旁边 {n2} 正 {v2}",
        "{n} {s} {v} ， 旁边 有 {n2} 在 {v2}",
        "{s} 有 {n} 在 {v} ， 还有 {n2} 在 {v2}",
        "{s} {v} 的 {n} 和 {v2} 的 {n2}",
        "{s} 有 {v} 的 {n} 与 {v2} 的 {n2}",
        "一段 {s} {n} {v} 和 {n2} {v2} 的 视频",
        "看 ， {n} {v} ， {n2} {v2} ， {s}",
    ),
    # A size stands right before the thing, or has 的: 大 before 红色 would be a red of its own.
    sizes={
        "small": ("小小 的|小", "很 小 的|小", "小型 的|小型"),
        "big": ("很 大 的|大", "大大 的|大", "巨大 的|巨型", "大型 的|大型"),
    },
    sized=(
        *["一 {mark} {colour} 的 {size2} {thing}"] * 2,
        "一 {mark} {colour} {size2} {thing}",
        "一 {mark} {size} {colour} {thing}",
        "{colour} 的 {size2} {thing}",
        "{size} {colour} {thing}",
    ),
    speeds={
        "slowly": ("慢慢 地 @", "缓缓 地 @", "缓慢 地 @", "慢慢 @", "慢速 @"),
        "fast": ("快速 地 @", "飞快 地 @", "迅速 地 @", "快速 @", "很快 地 @"),
    },
    life={
        "night": ("星星 闪烁", "星星 在 闪烁", "繁星 闪烁", "星光 闪烁"),
        "sea": ("海浪 翻滚", "波浪 翻滚", "海浪 在 翻滚", "波浪 起伏"),
        "grass": ("白云 飘过", "云朵 飘过", "白云 在 飘动", "云 在 飘"),
        "desert": ("风沙 飞扬", "沙子 随风 飞扬", "风 吹 沙 动", "沙尘 飞扬"),
        "snow": ("雪花 飘落", "下 着 雪", "雪花 纷飞", "雪花 在 飘落"),
    },
    lively=("{l} ， {t}", "{t} ， {l}", "{t} ， {l}"),
    stop="。",
    spaced=False,
    variants=(traditional,),
    mark="个",
)
