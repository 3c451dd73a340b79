"""ISO 639-1 codes with their English names, and the many other ways in which people write a language."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

NAMES: dict[str, str] = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "br": "Breton", "bs": "Bosnian",
    "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fo": "Faroese", "fr": "French",
    "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "ht": "Haitian Creole", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian",
    "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "ku": "Kurdish",
    "ky": "Kyrgyz", "la": "Latin", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian",
    "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "ne": "Nepali", "nl": "Dutch",
    "nb": "Norwegian Bokmål", "nn": "Norwegian Nynorsk", "no": "Norwegian", "oc": "Occitan", "or": "Odia",
    "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "qu": "Quechua",
    "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda", "se": "Northern Sami", "si": "Sinhala",
    "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog",
    "tr": "Turkish", "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "vo": "Volapük", "wa": "Walloon", "xh": "Xhosa", "zh": "Chinese", "zu": "Zulu",
    "fy": "West Frisian", "gd": "Scottish Gaelic", "ha": "Hausa", "ig": "Igbo", "ln": "Lingala",
    "my": "Burmese", "om": "Oromo", "sn": "Shona", "so": "Somali", "st": "Sotho",
    "tg": "Tajik", "tk": "Turkmen", "tt": "Tatar", "uz": "Uzbek", "yo": "Yoruba",
}  # fmt: skip

_CODE_PAIRS = (
    # ISO 639-3
    "afr:af amh:am ara:ar asm:as aze:az bel:be bul:bg ben:bn bre:br bos:bs cat:ca ces:cs cym:cy dan:da deu:de ell:el "
    "eng:en epo:eo spa:es est:et eus:eu fas:fa fin:fi fao:fo fra:fr gle:ga glg:gl guj:gu heb:he hin:hi hrv:hr hat:ht "
    "hun:hu hye:hy ind:id isl:is ita:it jpn:ja jav:jv kat:ka kaz:kk khm:km kan:kn kor:ko kur:ku kir:ky lat:la ltz:lb "
    "lao:lo lit:lt lav:lv mlg:mg mkd:mk mal:ml mon:mn mar:mr msa:ms mlt:mt nep:ne nld:nl nob:nb nno:nn nor:no oci:oc "
    "ori:or pan:pa pol:pl pus:ps por:pt que:qu ron:ro rus:ru kin:rw sme:se sin:si slk:sk slv:sl sqi:sq srp:sr swe:sv "
    "swa:sw tam:ta tel:te tha:th tgl:tl tur:tr uig:ug ukr:uk urd:ur vie:vi vol:vo wln:wa xho:xh zho:zh zul:zu fry:fy "
    "gla:gd hau:ha ibo:ig lin:ln mya:my orm:om sna:sn som:so sot:st tgk:tg tuk:tk tat:tt uzb:uz yor:yo "
    # ISO 639-2/B, as libraries have them
    "cze:cs wel:cy ger:de gre:el baq:eu per:fa fre:fr arm:hy ice:is geo:ka mac:mk may:ms dut:nl rum:ro slo:sk alb:sq "
    "chi:zh bur:my "
    # one variety of a language, as in FLORES
    "als:sq arb:ar acm:ar acq:ar aeb:ar ajp:ar apc:ar ars:ar ary:ar arz:ar azj:az azb:az cmn:zh yue:zh ekk:et gaz:om "
    "khk:mn ckb:ku kmr:ku lvs:lv npi:ne ory:or pbt:ps pbu:ps pes:fa prs:fa plt:mg quy:qu quz:qu swh:sw uzn:uz zsm:ms "
    "fil:tl hbs:sr "
    # withdrawn
    "iw:he in:id jw:jv mo:ro sh:sr"
)

_NAME_PAIRS = (
    "azeri:az bangla:bn bokmål:nb cantonese:zh castellano:es castilian:es dansk:da deutsch:de español:es farsi:fa "
    "filipino:tl flemish:nl français:fr frisian:fy gaelic:gd gaeilge:ga hrvatski:hr italiano:it kirghiz:ky latviešu:lv "
    "lietuvių:lt magyar:hu mandarin:zh moldovan:ro myanmar:my nederlands:nl norsk:no nynorsk:nn oriya:or polski:pl "
    "português:pt română:ro sámi:se sinhalese:si slovenčina:sk slovenščina:sl suomi:fi svenska:sv türkçe:tr uighur:ug "
    "valencian:ca íslenska:is čeština:cs ελληνικά:el български:bg русский:ru српски:sr українська:uk עברית:he "
    "العربية:ar فارسی:fa हिन्दी:hi বাংলা:bn தமிழ்:ta ไทย:th 中文:zh 日本語:ja 한국어:ko"
)

_OTHER_CODES = dict(pair.split(":") for pair in _CODE_PAIRS.split())
_NAMED = {
    **dict(pair.split(":") for pair in _NAME_PAIRS.split()),
    **{name.lower(): code for code, name in NAMES.items()},
}

_NO_LANGUAGE = (
    "? - -- mis mul multi multilingual multiple n/a na nan none null other und undefined undetermined unk unknown "
    "zxx auto"
)
UNTOLD = frozenset(_NO_LANGUAGE.split())
"""What stands where a language may stand, and names none."""

_SEPARATOR = re.compile(r"[.@;,:/|+]")
_REGION_OR_SCRIPT = re.compile(r"[a-z]{2,4}|[0-9]{3,4}|valencia|latin|cyrillic|x|u")


def understood_language(tag: str) -> str | None:
    """The ISO 639-1 code of a language, however it is written: "en", "EN", "en-GB", "eng", "eng_Latn", "English".

    None where it is none that is known.
    """
    written = unicodedata.normalize("NFC", tag).strip().lower()
    if written in _NAMED:
        return _NAMED[written]
    # "en_US.UTF-8", "sr@latin", "en-US,en;q=0.9", "eng+fra": the first of several, without what follows
    language, *others = _SEPARATOR.split(written, maxsplit=1)[0].strip().replace("_", "-").split("-")
    if others and not _REGION_OR_SCRIPT.fullmatch(others[0]):
        return None
    if language in NAMES:
        return language
    # "Brazilian Portuguese", "Chinese (Simplified)": one of the words is a name, and no other word names another
    words = re.findall(r"[^\W\d_]{4,}", written[:80])
    found = {_NAMED[word] for word in words if word in _NAMED}
    return _OTHER_CODES.get(language) or (found.pop() if len(found) == 1 else None)


def told_language(value: Any) -> str | None:
    """The ISO 639-1 code in whatever stands where a language may stand: a tag, or a list whose first known one counts.

    None where no language that is known is named.
    """
    tags = value if isinstance(value, list | tuple) else [value]
    return next((code for tag in tags if isinstance(tag, str) and (code := understood_language(tag)) is not None), None)


def names_no_language(value: Any) -> bool:
    """Whether ``value`` says that nobody told the language: nothing, NaN, "", "und", "unknown", [] and the like."""
    if isinstance(value, list | tuple):
        return all(names_no_language(part) for part in value)
    if isinstance(value, str):
        return not value.strip() or value.strip().lower() in UNTOLD
    return value is None or value != value
