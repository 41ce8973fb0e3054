"""The pocket family's tokenizer: whole words of six languages; a word it does not have becomes <unk>, and is named."""

import re
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, NFKD, Lowercase, Normalizer, Replace
from tokenizers.normalizers import Sequence as Steps
from tokenizers.pre_tokenizers import PreTokenizer, Punctuation, Split, Whitespace
from tokenizers.pre_tokenizers import Sequence as PreSequence
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from distill.captions import CODES, every_text
from wan_demo.text import unknown_words

MAX_TOKENS = 48  # the longest paraphrases of pairs have as many
SPECIAL = ["<pad>", "</s>", "<unk>"]
UNSPACED = re.compile("[\u3005-\u30ff\u3400-\u9fff]")  # Chinese characters and kana
# Accents and Arabic vowel signs, which many do not type. Not the marks of kana: they tell "ball" from "hole".
MARKS = "[\u0300-\u036f\u0640\u064b-\u065f\u0670]"
SILENT = r"""[!?¡¿؟«»“”„"'’‘`:;؛()\[\]{}「」『』《》·~—–]"""  # punctuation that says nothing


def build_tokenizer(
    codes: Sequence[str] = CODES, known: PreTrainedTokenizerFast | None = None
) -> PreTrainedTokenizerFast:
    """A tokenizer of some languages' words; those of `known`, if any, come first and keep their ids."""
    normalizer = _normalizer()
    splitter = PreSequence([Whitespace(), Punctuation()])
    words = dict.fromkeys(SPECIAL if known is None else sorted(known.get_vocab(), key=known.get_vocab().__getitem__))
    for code in codes:
        for text in every_text(code):
            words.update(dict.fromkeys(w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))))
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, _cutter(list(words))
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=MAX_TOKENS
    )


def knows(tokenizer: PreTrainedTokenizerBase | None, text: str) -> bool:
    """Whether a tokenizer has all words of a text; None has all."""
    return tokenizer is None or not unknown_words(text, tokenizer)


def _normalizer() -> Normalizer:
    """One form for what is written in several: width, case, accents, alif, commas and full stops."""
    replaced = [(SILENT, " "), ("[、،]", ","), ("[。۔]", "."), ("ى", "ي")]
    return Steps([NFKD(), Replace(Regex(MARKS), ""), NFKC(), Lowercase(), *(Replace(Regex(a), b) for a, b in replaced)])


def _cutter(words: list[str]) -> PreTokenizer:
    """Cut at spaces and punctuation, and where none are written, around the longest known words."""
    unspaced = sorted((w for w in words if UNSPACED.search(w)), key=len, reverse=True)
    parts: list[PreTokenizer] = [Whitespace(), Punctuation()]
    if unspaced:
        parts.append(Split(Regex("|".join(map(re.escape, unspaced))), "isolated"))
    return PreSequence(parts)
