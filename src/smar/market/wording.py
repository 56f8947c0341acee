"""How shoppers put a wish into words: synonyms, word order, slips of the finger.

Knows nothing of items or clicks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smar.market.fashion import AUDIENCE_WORDS, LENGTH_WORDS, NECKLINE_WORDS, SLEEVE_WORDS
from smar.market.intents import Intent
from smar.market.palette import COLOURS, PATTERNS
from smar.market.stock import TYPES

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "colour": {colour.name: colour.words for colour in COLOURS},
    "pattern": {pattern.name: pattern.words for pattern in PATTERNS},
    "sleeve": SLEEVE_WORDS,
    "neckline": NECKLINE_WORDS,
    "length": LENGTH_WORDS,
    "audience": AUDIENCE_WORDS,
}
"""What shoppers call each value; brands and specifications are called what they are."""

_NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "svxfrghjoklknmpowtayibecux", strict=True))
"""The key next to each letter's."""


def word_intent(intent: Intent, typos: float, chance: np.random.Generator) -> str:
    """One way to ask for `intent`, in lower case."""
    luck = chance.random(12).tolist()
    wanted = intent.wanted
    noun = _usual(TYPES[intent.type].words, luck[0])
    before: list[str] = []
    after: list[str] = []
    for place, field in enumerate(intent.kind.fields):
        value = wanted[field]
        phrase = _usual(WORDS[field][value], luck[1 + place]) if field in WORDS else value.lower()
        behind = phrase.startswith(("with ", "without ", "for ")) or (field == "pack" and luck[6] < 0.7)
        (after if behind else before).append(phrase)
    if len(before) == 2 and "brand" not in intent.kind.fields and luck[4] < 0.4:
        before.reverse()
    if before and luck[5] < 0.12:
        link = ["in"] if intent.kind.fields == ("colour",) and luck[7] < 0.5 else []
        words = [noun, *link, *before, *after]
    else:
        words = [*before, noun, *after]
    text = " ".join(words)
    return slip(text, chance) if luck[8] < typos else text


def slip(text: str, chance: np.random.Generator) -> str:
    """`text` with one slip of the finger: two letters swapped, one dropped, doubled or missed by a key."""
    places = [at for at, letter in enumerate(text[:-1]) if at and letter in _NEIGHBOURS]
    if len(places) < 4:
        return text
    at = places[int(chance.integers(len(places)))]
    match int(chance.integers(4)):
        case 0:
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            return text[:at] + text[at] + text[at:]
        case _:
            return text[:at] + _NEIGHBOURS[text[at]] + text[at + 1 :]


def _usual(words: Sequence[str], luck: float) -> str:
    """One of `words`; the first is the most usual."""
    return words[int(len(words) * luck**1.8)]
