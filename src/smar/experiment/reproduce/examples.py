"""What the report shows of single queries: words that the gate follows, and shelves of photos won and lost.

Knows values per query and the shop's photos; no means and no tables.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from smar.data.clicks import normalise_query
from smar.data.images import ImageUnreadable, read_image
from smar.data.shop import Shop
from smar.experiment.reproduce.ranks import is_unknown

_SHOWN = 5
_EXAMPLES = 5
_WORDS = 12
_WORD_QUERIES = 10
_THUMBNAIL = 112


def words_of_the_gate(gate: pl.DataFrame, texts: Mapping[str, str]) -> str:
    """A table of the words whose queries have the highest and the lowest gates, as HTML."""
    gates: dict[str, list[float]] = {}
    for query_id, value in zip(gate["query_id"], gate["gate"], strict=True):
        for word in set(normalise_query(texts[query_id]).split()):
            gates.setdefault(word, []).append(value)
    means = {word: float(np.mean(of)) for word, of in gates.items() if len(of) >= _WORD_QUERIES}
    ranked = sorted(means, key=lambda word: (-means[word], word))
    rows = [
        ("the image", ranked[:_WORDS]),
        ("the text", ranked[max(_WORDS, len(ranked) - _WORDS) :][::-1]),
    ]
    cells = [
        f"<tr><th>{side}</th><td>{', '.join(f'{html.escape(word)} ({means[word]:.2f})' for word in words)}</td></tr>"
        for side, words in rows
    ]
    note = f"Mean gate of the judged queries with a word, for words of {_WORD_QUERIES} queries or more, by seed 0."
    return f"<table>{''.join(cells)}</table><p>{note}</p>"


def shelves(shop: Shop, split: str, always: pl.DataFrame, never: pl.DataFrame) -> Iterator[str]:
    """Queries with the largest gain and the largest loss, with the photos of their first hits, as HTML."""
    gain = always["nDCG@10"].to_numpy() - never["nDCG@10"].to_numpy()
    order = np.argsort(-gain, kind="stable")
    texts = {query.query_id: query.text for query in shop.queries(split)}
    qrels = shop.qrels(split)
    won = [place for place in order[:_EXAMPLES] if gain[place] > 0]
    lost = [place for place in order[::-1][:_EXAMPLES] if gain[place] < 0]
    for title, places in (("Won", won), ("Lost", lost)):
        yield f"<h3>{title}</h3>"
        for place in map(int, places):
            query_id, gate = always["query_id"][place], always["gate"][place]
            sides = [table["found"][place].to_list()[:_SHOWN] for table in (never, always)]
            rows = "".join(_shelf(shop, items, qrels[query_id]) for items in sides)
            words = (
                f"<b>{html.escape(texts[query_id])}</b> gate {gate:.2f}, nDCG@10 {never['nDCG@10'][place]:.2f} "
                f"with text, {always['nDCG@10'][place]:.2f} with the image"
            )
            yield f"<section><p>{words}</p>{rows}</section>"


def data_url(data: bytes, kind: str) -> str:
    """`data` as an address that holds it, so that a page works offline."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _shelf(shop: Shop, items: Sequence[str], wanted: Mapping[str, int]) -> str:
    """A row of products; an empty place where the id of what was found was not kept."""
    cells = []
    for item_id in items:
        if is_unknown(item_id):
            cells.append("<figure><figcaption>(not kept)</figcaption></figure>")
            continue
        row = shop.catalog.row(item_id)
        path, title = shop.catalog.image_path(row), html.escape(shop.catalog.item(row).title)
        photo = None if path is None else _photo(path)
        inside = f'<img src="{photo}" alt="">' if photo else ""
        mark = ' class="relevant"' if wanted.get(item_id, 0) >= 1 else ""
        cells.append(f"<figure{mark}>{inside}<figcaption>{title}</figcaption></figure>")
    return f'<div class="shelf">{"".join(cells)}</div>'


def _photo(path: Path) -> str | None:
    """A thumbnail as a data URL; nothing for a photo that cannot be read."""
    try:
        pixels = read_image(path, _THUMBNAIL)
    except ImageUnreadable:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=82)
    return data_url(buffer.getvalue(), "image/jpeg")
