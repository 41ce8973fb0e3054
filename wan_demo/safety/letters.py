"""Letters that are written in place of other letters.

LOOKALIKES: two thirds are from Unicode's confusables.txt (UTS #39), which has 6,000, most of them of scripts that
nobody types; the others, such as small capitals, are what pages of "fancy text" offer, from the Unicode code charts.
"""

LOOKALIKES = {
    "a": "аАαΑɑɐᴀᗩⲁⲀꓮᎪ⍺∀",
    "b": "ЬьВвБβΒʙɓᏴᗷꓐ",
    "c": "сСϲϹᴄƈᏟᑕꓚⲥⲤ",
    "d": "ԁԀᴅɗđᎠᗞᗪꓓ",
    "e": "еЕεΕєЄəǝɛɘᴇᎬᗴᕮꓰ℮эЭ",
    "f": "ƒꜰғҒϝᖴꓝ",
    "g": "ɡɢɠԍցᏀᏳꓖ",
    "h": "һҺНнΗʜɦհħᎻᕼꓧⲎ",
    "i": "іІιΙɩɪɨıᎥꓲⲒ",
    "j": "јЈϳᴊյᎫᒍꓙ",
    "k": "кКκΚᴋƙқҚᏦꓗⲔ",
    "l": "ӏӀʟłƖᏞᒪꓡ",
    "m": "мМΜᴍɱᎷᗰꓟⲘ",
    "n": "пηΝɴŋɲոИᑎꓠⲚ",
    "o": "оОοΟσᴏɵøօꓳⲟⲞθ",
    "p": "рРρΡᴘƥᏢᑭꓑⲣⲢ",
    "q": "ԛԚզ",
    "r": "гГʀɽᏒᖇꓣᴦ",
    "s": "ѕЅꜱʂᏚᔕꓢ",
    "t": "тТτΤᴛƭŧᎢꓔⲦ",
    "u": "υսᴜʉμᑌꓴ",
    "v": "νѵѴᴠʋᏙᐯꓦ",
    "w": "шШωԝԜᴡѡᏔᎳᗯꓪ",
    "x": "хХχΧ×᙭ꓫⲭⲬ",
    "y": "уУγΥʏүҮᎩꓬⲨ",
    "z": "ᴢΖζƶʐᏃꓜ",
    "ae": "æÆ",
    "oe": "œŒ",
}
_FIRST_OF_26 = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # letters in squares and circles, and those that flags are made of
PLAIN = (
    {ord("・"): ""}
    | {ord(lookalike): letter for letter, row in LOOKALIKES.items() for lookalike in row}
    | {first + i: chr(ord("a") + i) for first in _FIRST_OF_26 for i in range(26)}
)

# Digits and signs that look like a letter: "p0rn". The figure 1 stands for i or l, so there are two tables.
LEET = str.maketrans("013456789@$!|+€£¢", "oieasgtbgasiitelc")
LEET_L = str.maketrans("013456789@$!|+€£¢", "oleasgtbgasiltelc")

# Arabic letters that are one letter to a reader, and Persian ones in their place.
ARABIC = dict(zip(map(ord, "ٱىةکیھہہ"), "ايهكيههه", strict=True))

# Traditional characters and their simplified ones (Unihan: kSimplifiedVariant), for the characters in terms/.
TRADITIONAL = (
    "亂亞佈俬倖倫偉偽傑傢傳傷僞儁儘優兒內冪凈凱別剋剝劉劑動勢厤唸喫噴嚮國園圖場塊奧姦婦嫵嬈嬌嬰孃孌學宮實"
    "寫寬寶對導屍崗嵗師帶廟弔張強彆彈彔彫彿後復愛慾戀戰戲挾掃掛揚換摺撫擊擠擺擾敎斬斷旂晉曆曉曏書朮査楊榮"
    "槍樓機橫檢檯歲歷殘殺毀毆氣決沒沖洩淨淩減渾湯準溝溼滅滾滿漿潰澤濕濺瀋灕為無熱燒燬爛爲爾牀猶琱瑣瑪璽畫"
    "畵療發盜盡盪眞禮種穀穎穢窺範紀約納級紮組結絕統絲絶綫維綱線緣緻縊總織羅羣義習聖聲脈脣脫腦腳腸臉臟臥臺"
    "興舘艷莖華萬葯蓋蕩藝藥蘭蘿處蟲術衕衚衛衝裏裝裡製複褲褻襪襬襲規視親該誘誠說説課謀譭護豔豬貓貝賀賈賣質"
    "賴趙車軌軍輕輪迴連週進過遜遲遺邊鄰醜醫鉅鋁鋸錄錦録鏡鐵開閤闆闇陰雙雛雞難雲電霑韆韓頌預領頭頻風颱飛飲"
    "館餬馬駕騙騰騷驟骯髒體髮鬍魯鮮鵰鷄麗麪麫麵麼麽黃點黨黴齣龍龜"
)
SIMPLIFIED = (
    "乱亚布私幸伦伟伪杰家传伤伪俊尽优儿内幂净凯别克剥刘剂动势历念吃喷向国园图场块奥奸妇妩娆娇婴娘娈学宫实"
    "写宽宝对导尸岗岁师带庙吊张强别弹录雕佛后复爱欲恋战戏挟扫挂扬换折抚击挤摆扰教斩断旗晋历晓向书术查杨荣"
    "枪楼机横检台岁历残杀毁殴气决没冲泄净凌减浑汤准沟湿灭滚满浆溃泽湿溅沈漓为无热烧毁烂为尔床犹雕琐玛玺画"
    "画疗发盗尽荡真礼种谷颖秽窥范纪约纳级扎组结绝统丝绝线维纲线缘致缢总织罗群义习圣声脉唇脱脑脚肠脸脏卧台"
    "兴馆艳茎华万药盖荡艺药兰萝处虫术同胡卫冲里装里制复裤亵袜摆袭规视亲该诱诚说说课谋毁护艳猪猫贝贺贾卖质"
    "赖赵车轨军轻轮回连周进过逊迟遗边邻丑医巨铝锯录锦录镜铁开合板暗阴双雏鸡难云电沾千韩颂预领头频风台飞饮"
    "馆糊马驾骗腾骚骤肮脏体发胡鲁鲜雕鸡丽面面面么么黄点党霉出龙龟"
)
HAN = dict(zip(map(ord, TRADITIONAL), SIMPLIFIED, strict=True))
