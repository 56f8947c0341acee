"""Why an item scores as it does for a query: what text and image add, word by word and cell by cell of the photo.

Knows the towers; nothing of indexes or hits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from smar.model.arrays import ItemArrays
from smar.model.encoders.image import ImageStates
from smar.model.grams import Grams
from smar.model.memory import NOBODYS
from smar.model.smar import SMAR, ItemOutput
from smar.model.sources import ItemStates, Texts, TextStates

_MOST_WORDS = 40


@dataclass(frozen=True)
class Explanation:
    """Parts of the score <Q(q), S_m(s)>, all in its unit (our choice; nothing of this is in the paper).

    `text` and `image` are Shapley values: what each adds, averaged over both orders of adding them. `clicks` is what
    the model's memory adds after that, so that the three sum to `score`. `words` and `cells` say by how much the score,
    `clicks` apart, falls without one word of the text, or with one cell of the photo made as dull as the average; they
    are no parts of a sum.
    """

    score: float
    text: float
    image: float
    clicks: float
    words: tuple[tuple[str, float], ...]
    cells: Float32[np.ndarray, "row column"] | None


@torch.inference_mode()
def explain(
    model: SMAR,
    query: str,
    text: str,
    pixels: UInt8[np.ndarray, "size size 3"] | None = None,
    name: int = NOBODYS,
) -> Explanation:
    """Explain the score of an item for a normalised query.

    Args:
        model: in evaluation mode.
        query: normalised.
        text: the item's, as `item_texts` joins it; of more than 40 words, the first 40 are explained.
        pixels: its photo, `photo_size` a side; None for an item without one, or where it is not used.
        name: what the model's memory calls it (`item_names`).
    """
    asked = torch.from_numpy(model.embed_queries([query]).vectors[0]).to(model.device)
    words = text.split()
    shown = words[:_MOST_WORDS] if len(words) > 1 else []
    variants = [text, *(" ".join(words[:place] + words[place + 1 :]) for place in range(len(shown)))]
    states = Texts.read(model.text_encoder, variants, model.config.text.max_item_tokens).states(
        np.arange(len(variants))
    )
    if pixels is None or model.image_encoder is None:
        found = model.items(ItemStates(states, None, torch.empty(0, dtype=torch.long)))
        scores = (found.text @ asked).cpu().numpy()
        clicks = _clicks(model, asked, found, name)
        return Explanation(
            float(scores[0]) + clicks, float(scores[0]), 0.0, clicks, _fall(shown, scores), None
        )
    photo = model.image_encoder(torch.from_numpy(pixels[None]).to(model.device))
    whole = model.items(ItemStates(states, _repeated(photo, len(variants)), torch.arange(len(variants))))
    assert whole.image is not None
    text_alone, image_alone = float(whole.text[0] @ asked), float(whole.image[0] @ asked)
    scores = (whole.multimodal @ asked).cpu().numpy()
    score, clicks = float(scores[0]), _clicks(model, asked, whole, name)
    return Explanation(
        score + clicks,
        (text_alone + score - image_alone) / 2,
        (image_alone + score - text_alone) / 2,
        clicks,
        _fall(shown, scores),
        _cells(model, asked, _first(states), photo),
    )


def _clicks(model: SMAR, asked: Tensor, items: ItemOutput, name: int) -> float:
    """What the memory adds to the score of the first of `items`."""
    if model.memory is None:
        return 0.0
    seen = np.array([items.image is not None])
    plain = ItemArrays(items.text[:1].cpu().numpy(), items.multimodal[:1].cpu().numpy(), seen)
    recalled = model.memory.recall(plain, np.array([name]))
    moved = model.memory.blend(plain, recalled).multimodal - plain.multimodal
    return float(moved[0] @ asked.cpu().numpy())


def _cells(
    model: SMAR, asked: Tensor, text: TextStates, photo: ImageStates
) -> Float32[np.ndarray, "row column"]:
    """By how much the score falls where one cell at a time is as the average cell of the photos it was scaled on."""
    assert model.image_tower is not None
    assert model.image_encoder is not None
    count = photo.patches.shape[1]
    dulled = _repeated(photo, count + 1)
    average = model.image_tower.patch_scale.mean.to(dulled.patches.dtype)
    cells = torch.arange(count)
    dulled.patches[cells + 1, cells] = average
    states = TextStates(
        text.states.expand(count + 1, -1, -1),
        text.mask.expand(count + 1, -1),
        text.grams.take(np.zeros(count + 1, np.int64)),
    )
    scores = (
        (model.items(ItemStates(states, dulled, torch.arange(count + 1))).multimodal @ asked)
        .float()
        .cpu()
        .numpy()
    )
    side = model.image_encoder.config.grid
    falls: np.ndarray = (scores[0] - scores[1:]).reshape(side, side)
    return falls


def _fall(words: list[str], scores: np.ndarray) -> tuple[tuple[str, float], ...]:
    return tuple((word, float(scores[0] - without)) for word, without in zip(words, scores[1:], strict=True))


def _repeated(photo: ImageStates, times: int) -> ImageStates:
    return ImageStates(photo.summary.repeat(times, 1), photo.patches.repeat(times, 1, 1))


def _first(states: TextStates) -> TextStates:
    grams: Grams = states.grams.take(np.zeros(1, np.int64))
    return TextStates(states.states[:1], states.mask[:1], grams)
