"""What a display name looks like: every character to the plain letter, digit or mark that people read in it.

A forger writes a number in digits of another script, puts letters that look like
digits between digits, or spreads invisible characters through a mark. The
engine folds names by this table, character by character; the table comes from
Unicode's own data and a short list of letters that only look alike.

    "a".."z", "0".."9"   read as that
    "-"                  separates: blanks, hyphens, dots, brackets of any script
    "+", ":", "@"        themselves
    GONE                 not seen on its own: combining marks, emoji modifiers
    HIDDEN               not seen and moves what is: zero width, direction, tags
    OTHER                anything else: letters of other scripts, signs
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

OTHER, GONE, HIDDEN = 0, 1, 2
PAGE = 256
LAST = 0x20000  # above stand ideographs and private characters, and the tags, which the engine knows

# Cyrillic, Greek, Armenian, Cherokee and Lisu letters, small and capital, that look like a Latin one.
_ALIKE = {
    "a": "аАαΑԱꓮᎪ",
    "b": "ВвΒβЬьꓐᏴ",
    "c": "сСϲϹꓚᏟ",
    "d": "ԁԀꓓᎠ",
    "e": "еЕεΕꓰᎬ",
    "f": "ϝϜꓝ",
    "g": "ցԌԍɡꓖᏀ",
    "h": "һҺНнΗηհꓧᎻ",
    "i": "іІιΙӀӏıꓲᎥ",
    "j": "јЈϳꓙᎫ",
    "k": "кКκΚꓗᏦ",
    "l": "ⅼꓡᏞ",
    "m": "мМΜꓟᎷ",
    "n": "ոΝꓠ",
    "o": "оОοΟσօՕꓳ",
    "p": "рРρΡꓑᏢ",
    "q": "ԛԚզ",
    "r": "гꓣᎡ",
    "s": "ѕЅՏꓢᏚ",
    "t": "тТτΤꓔᎢ",
    "u": "υսꓴ",
    "v": "νѵѴꓦᏙ",
    "w": "ԝԜωꓪᎳ",
    "x": "хХχΧꓫ",
    "y": "уУγΥүҮꓬ",
    "z": "ΖꓜᏃ",
}
_FOLDED = {other: letter for letter, others in _ALIKE.items() for other in others}
_SEEN_AS_NOTHING = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
_SEPARATORS = {"Zs", "Zl", "Zp", "Pd", "Ps", "Pe"}


class Skeleton(NamedTuple):
    """The table in two levels: ``page_of[code // 256]`` is the page, ``pages[page * 256 + code % 256]`` the class."""

    page_of: bytes
    pages: bytes


def fold(character: str) -> int:
    """The class of one character: an ASCII code, or OTHER, GONE, HIDDEN."""
    if character in _FOLDED:
        return ord(_FOLDED[character])
    category = unicodedata.category(character)
    if category == "Cn" or (category == "Lo" and character > "\u024f" and ord(character) not in _SEEN_AS_NOTHING):
        return OTHER
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return ord("0") + digit
    if category in ("Cf", "Cc") or ord(character) in _SEEN_AS_NOTHING:
        return HIDDEN if category == "Cf" or ord(character) in _SEEN_AS_NOTHING else GONE
    if category in ("Mn", "Me", "Sk"):
        return GONE
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if len(plain) == 1 and plain.isascii():
        character = plain.lower()
        if character.isalnum() or character in "+:@":
            return ord(character)
    if category in _SEPARATORS or character in "./,_'\t":
        return ord("-")
    return OTHER


@cache
def skeleton() -> Skeleton:
    """The whole table; made once in a process, when a policy first needs it."""
    known: dict[bytes, int] = {}
    page_of = bytearray()
    for start in range(0, LAST, PAGE):
        # Ideographs and Hangul look like no letter or digit; there are too many of them to ask one by one.
        plain = 0x3400 <= start < 0xA000 or 0xAC00 <= start < 0xD800 or 0xD800 <= start < 0xF900
        page = bytes(PAGE) if plain else bytes(fold(chr(code)) for code in range(start, start + PAGE))
        page_of.append(known.setdefault(page, len(known)))
    return Skeleton(bytes(page_of), b"".join(known))


def letters(text: str) -> str:
    """The letters and digits that people read in a text, without what separates them: how marks are compared."""
    folded = (fold(character) if ord(character) < LAST else OTHER for character in text)
    return "".join(chr(code) for code in folded if chr(code).isalnum())
