"""The words in which people tell symptoms: quantities, movements, denials. `words` puts them together."""

from __future__ import annotations

import re

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_VAL = r"(?:val(?:id(?:ation)?)?|dev(?:elopment)?|eval(?:uation)?|test(?:ing)?|held[- ]?out)"
_TRAIN = r"train(?:ing)?"
_SCORE = r"(?:acc(?:uracy|uracies)?|scores?|f1(?:[- ]score)?|auc|r2|metrics?|performance)"
_GLUE = r"(?:(?:set|data|rows|split)?[ _/-]*)"
QUANTITIES = {
    "lr": r"(?:learning[ _-]?rate|\blr\b|step[ _-]?size)",
    "val_loss": rf"\b{_VAL}[ _/-]*{_GLUE}(?:loss|error)\b|\b(?:loss|error) (?:on|for|of|in) (?:the )?{_VAL}\b",
    "val_accuracy": rf"\b{_VAL}[ _/-]*{_GLUE}{_SCORE}\b|\b{_SCORE} (?:on|for|of|in) (?:the )?{_VAL}\b",
    "train_loss": rf"\b{_TRAIN}[ _/-]*{_GLUE}(?:loss|error)\b|\b(?:loss|error) (?:on|for|of|in) (?:the )?{_TRAIN}\b",
    "train_accuracy": rf"\b{_TRAIN}[ _/-]*{_GLUE}{_SCORE}\b|\b{_SCORE} (?:on|for|of|in) (?:the )?{_TRAIN}\b",
    "loss": r"\b(?:loss(?:es)?|cost|error rate|cross[- ]?entropy|perplexity)\b",
    "accuracy": rf"\b{_SCORE}\b",
    "val": rf"\b{_VAL}\b(?:[ -]set)?",
    "train": rf"\b{_TRAIN}\b(?:[ -]set)?",
}
_STOPS = (
    r"(?:stop(?:s|ped)?|ceas(?:es|ed)|fail(?:s|ed)?(?: to)?|refus(?:es|ed)(?: to)?|no longer|barely|hardly|won't|never)"
)
_NOT = rf"(?:\bnot\b|n't\b|\bcannot\b|\bwithout\b|\bno\b|\b{_STOPS})"
MOVEMENTS = {
    "explode": r"explod\w*|explosion|blow(?:s|ing|n)? up|blew up|diverg\w*|skyrocket\w*|sho(?:ot|ots|oting|t) up"
    r"|huge|astronomical",
    "bounce": r"oscillat\w*|bounc\w*|jump\w*|zig-?zag\w*|spik\w*|unstable|instab\w*|nois[ey]\w*|fluctuat\w*"
    r"|erratic\w*|jitter\w*|up and down|all over the place",
    "flat": r"stuck|plateau\w*|\bflat(?:s|lines?|lined|tens?|tened)?\b|stagnat\w*|constant|unchanged"
    r"|no better than (?:random|chance|guess|a coin)\w*|random guess\w*"
    r"|(?:not|n't) train\b|nothing (?:is |was )?learn\w*"
    r"|stall(?:s|ed|ing)?\b|saturat\w*|\bsame\b"
    r"|\b(?:sits|hovers|hangs|stays|remains) (?:at|around|near)\b"
    r"|at chance|(?:random|chance)[ -]level|no progress|no improvement|frozen",
    "slow": r"slow(?:ly|er)?\b|takes forever|very gradual\w*",
    "worse": r"(?:gets?|getting|got|becom\w+|is|are|much) worse|worsen\w*|deteriorat\w*|degrad\w*",
    "better": r"improv\w*|(?:gets?|getting|got) better|learn(?:s|ing|ed)?\b(?![ _-]?rate)|converg\w*",
    "change": r"\bchang\w*|\bmov(?:e|es|ing|ed)\b|\bbudg\w*",
    "up": r"(?:go|goes|going|went|trend\w*|creep\w*|head\w*|drift\w*) (?:back )?(?:up|higher)\b|\bris(?:e|es|ing|en)\b"
    r"|\brose\b|increas\w*|climb\w*|grow(?:s|ing|n)?\b|grew\b|\bup\b(?=\s*(?:$|and\b))",
    "down": r"(?:go|goes|going|went|trend\w*|com(?:e|es|ing)) (?:back )?(?:down|lower)\b|\bfall(?:s|ing|en)?\b|\bfell\b"
    r"|decreas\w*|\bdrop(?:s|ped|ping)?\b(?!out)|declin\w*|shrink\w*|reduc\w*|\bdown\b(?=\s*(?:$|and\b))",
    "high": r"too (?:high|large|big)|\bhigh(?:er)?\b|\blarge(?:r)?\b|\bperfect\b|\bexcellent\b|\bgreat\b|\bgood\b",
    "low": r"too (?:low|small)|\blow(?:er)?\b|\btiny\b"
    r"|(?:near|close to|almost) (?:zero|0)\b|\bpoor(?:ly)?\b|\bbad\b|\bterrible\b|\bsmall(?:er)?\b",
}
DIRECT = {
    "train_val_gap": r"over-?fit\w*|memori[sz]\w*|generali[sz]ation gap|poor generali[sz]ation|by heart"
    r"|(?:not|n't|fails? to|poorly|badly) (?:to )?generali[sz]\w*|generali[sz]\w* (?:badly|poorly)"
    rf"|gap between (?:the )?{_TRAIN}",
    "train_poor": rf"under-?fit\w*|(?:not|n't|cannot|fails? to|unable to) (?:even )?(?:to )?fit (?:the )?{_TRAIN}",
}
WORDS = [
    (kind, name, re.compile(pattern))
    for kind, table in (("quantity", QUANTITIES), ("movement", MOVEMENTS))
    for name, pattern in table.items()
]
# Those of the words above that "not" turns into nothing; in the others "not" is part of the symptom.
DENIABLE = re.compile(r"over-?fit\w*|memori[sz]\w*|under-?fit\w*")
NEGATION = re.compile(rf"{_NOT}(?:[ ,]+(?:\w+ ?)?)?$")
# How far back a denial is looked for, in characters.
DENIAL_REACH = 20
SENTENCE = re.compile(r"[;\n!?]+|\.(?=\s|$)")
CLAUSE = re.compile(r",|\b(?:but|while|whereas|although|though|however|then|yet|as)\b")
ADJECTIVE = re.compile(r"^ {1,2}(?:(?:on|for|in|of) )?(?:both )?(?:the |my |its |our )?$")
VALUE = re.compile(rf"^\W*(?:\w+\W+){{0,4}}?({NUMBER})\s*(%|percent)?", re.ASCII)
VALUE_BEFORE = re.compile(
    rf"({NUMBER})\s*(%|percent)?\s*(?:(?:{_SCORE} )?(?:on|for|in) (?:the |my |our )?|(?<=% )|(?<=percent ))$", re.ASCII
)
FROM_TO = re.compile(rf"from ({NUMBER})\s*%? to ({NUMBER})", re.ASCII)
OTHER_NUMBERS = re.compile(r"\b(?:epochs?|steps?|iterations?|after|lr|batch)\b")
BOTH = re.compile(rf"\bboth\b|\b{_TRAIN}\w* and {_VAL}")
