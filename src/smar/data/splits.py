"""Splits that depend on a text and a seed alone, on any machine and in any order.

Knows no queries and no items.
"""

from __future__ import annotations

import hashlib

import polars as pl


def is_held_out(text: str, share: float, seed: int) -> bool:
    """Whether `text` is among the `share` of all texts that are held out with `seed`."""
    hashed = hashlib.blake2b(
        text.encode(), digest_size=8, salt=seed.to_bytes(16, "little", signed=True)
    ).digest()
    return int.from_bytes(hashed, "little") < share * 2**64


def held_out_texts(texts: pl.Series, share: float, seed: int) -> pl.Series:
    """Those of `texts` that are held out with `seed`."""
    chosen = [text for text in texts.to_list() if is_held_out(text, share, seed)]
    return pl.Series(texts.name, chosen, dtype=pl.String)
