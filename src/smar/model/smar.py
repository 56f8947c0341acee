"""SMAR: the four towers and the gate as one network that embeds queries and items.

Knows nothing of clicks, losses, indexes or search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8, UInt64
from torch import Tensor, nn

from smar.data.catalog import Catalog
from smar.errors import ConfigError, ModelError, QueryError
from smar.files import digest
from smar.model import store
from smar.model.arrays import ItemArrays, QueryVectors
from smar.model.config import ModelConfig
from smar.model.digests import item_digests
from smar.model.encoders.image import ImageEncoder, ImageStates, load_image_encoder
from smar.model.encoders.text import TextEncoder
from smar.model.fusion import CrossAttention, ItemMultimodalTower, build_fusion
from smar.model.gate import ImageGate
from smar.model.lexical import LexicalSketch
from smar.model.memory import ClickMemory, Names
from smar.model.precision import is_fast_in_bfloat16, low_precision
from smar.model.sources import ItemSource, ItemStates, Rows, Texts, TextStates, default_cache, in_categories
from smar.model.terms import QueryTerms
from smar.model.towers import ItemImageTower, ItemTextTower, QueryTower, TowerShape
from smar.progress import track

_ITEMS_AT_ONCE = 256
_QUERIES_AT_ONCE = 256


@dataclass(frozen=True)
class ItemOutput:
    """Vectors of a batch of items; `image` has rows only for those in `with_image`."""

    text: Float[Tensor, "item dim"]
    image: Float[Tensor, "image dim"] | None
    multimodal: Float[Tensor, "item dim"]
    with_image: Tensor


class SMAR(nn.Module):
    """Q(q), S_t(s), S_i(s), S_m(s) and P(q) of the paper; every vector has unit length, but a query's with query terms.

    `cache` is the folder where states of frozen encoders are kept; set it to keep them elsewhere, or None to keep none.
    """

    def __init__(
        self, config: ModelConfig, text: tuple[TextEncoder, TextEncoder], image: ImageEncoder | None
    ) -> None:
        super().__init__()
        self.config = config
        self.query_encoder, self.text_encoder = text
        self.image_encoder = image
        width = self.text_encoder.width
        if width % config.heads:
            raise ConfigError(
                f"model.heads = {config.heads}: the text encoder's width {width} is no multiple of it"
            )
        dropout = config.text_dropout, config.image_dropout
        shape = TowerShape(width, config.dim, config.heads, *dropout)
        self.query_tower = QueryTower(shape, config.query_layers, config.pooling)
        self.text_tower = ItemTextTower(shape, config.text_layers, config.pooling)
        self.image_tower: ItemImageTower | None = None
        self.multimodal_tower: ItemMultimodalTower | None = None
        if image is not None:
            patches = image.patch_count, image.patch_width
            self.image_tower = ItemImageTower(shape, config.image_layers, image.summary_width, patches)
            self.multimodal_tower = ItemMultimodalTower(build_fusion(config.fusion, shape))
        self.lexical: LexicalSketch | None = None
        if config.lexical.dim and config.fusion.kind != "image":
            self.lexical = LexicalSketch(config.dim, config.lexical)
        self.terms: QueryTerms | None = None
        self.memory: ClickMemory | None = None
        self.gate = ImageGate(self.vector_dim)
        self.log_scale = nn.Parameter(torch.tensor(1 / config.temperature).log())
        self.cache: Path | None = default_cache()

    @classmethod
    def build(cls, config: ModelConfig) -> SMAR:
        """A new model, its encoders with their published weights and the rest drawn by `config.seed`."""
        return cls._assemble(config, None)

    @classmethod
    def load(cls, folder: str | Path) -> SMAR:
        """Read a model that `save` wrote; no hub is asked and no pickle is opened.

        Raises:
            ModelError: the folder is missing, incomplete or changed since it was written.
        """
        folder = Path(folder)
        saved = store.read_header(folder)
        model = cls._assemble(ModelConfig.check(saved.config, where=str(folder / store.HEADER)), folder)
        if saved.terms and not model.config.terms.dim:
            raise ModelError(
                f"{folder / store.HEADER}: has query terms and model.terms.dim = 0; train it again"
            )
        if saved.memory and not model.config.memory.neighbours:
            raise ModelError(
                f"{folder / store.HEADER}: remembers clicks and model.memory.neighbours = 0; train it again"
            )
        model.add_terms(saved.terms)
        model.add_memory(saved.memory)
        store.read_weights(folder, model, saved)
        return model.eval()

    def save(self, folder: str | Path) -> None:
        """Write config, weights (safetensors), tokenizer and fingerprint, whole or not at all."""
        store.write(Path(folder), self)

    @classmethod
    def _assemble(cls, config: ModelConfig, folder: Path | None) -> SMAR:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            text_home = folder / store.TEXT if folder else None
            text = TextEncoder.load(config.text, text_home, pretrained=folder is None)
            query = (
                text
                if config.shares_text_encoder
                else TextEncoder.load(config.text, text_home, pretrained=folder is None)
            )
            image = None
            if config.fusion.kind != "text":
                image_home = folder / store.IMAGE if folder else None
                image = load_image_encoder(config.image, image_home, pretrained=folder is None)
            return cls(config, (query, text), image)

    @property
    def fingerprint(self) -> str:
        """A digest of settings and weights: equal models have equal fingerprints.

        Settings at their defaults are left out, so that a later version's new settings change no fingerprint.
        """
        state = self.state_dict()
        weights = (state[name].detach().cpu().contiguous().numpy().tobytes() for name in sorted(state))
        return digest(self.config.model_dump_json(exclude_defaults=True), *weights)

    @property
    def gate_threshold(self) -> float:
        """From this P(q) on, a query meets multimodal vectors."""
        return self.config.gate.threshold

    @property
    def has_gate(self) -> bool:
        """Whether text and multimodal vectors are both there to choose from."""
        return self.config.fusion.kind not in ("text", "image")

    @property
    def vector_dim(self) -> int:
        """Components of every vector: of meaning and, where they are, of the lexical part and of query terms."""
        terms = 0 if self.terms is None else self.config.terms.dim
        return self.config.dim + (self.lexical.dim if self.lexical else 0) + terms

    def add_terms(self, words: int) -> None:
        """Let vectors keep the likelihood of `words` words, still to be learnt; none takes away what there was."""
        self.terms = None
        if words:
            photo_width = None if self.image_encoder is None else self.image_encoder.summary_width
            terms = QueryTerms(self.config.terms, self.vector_dim, photo_width, words)
            self.terms = terms.to(self.device)

    def add_memory(self, items: int) -> None:
        """Let the model remember what `items` items were clicked for, still to be told; none takes it all away."""
        self.memory = None
        if items:
            memory = ClickMemory(self.config.memory, items, self.config.dim, self.gate.in_features)
            self.memory = memory.to(self.device)

    def forget(self) -> None:
        """Take away what is learnt from finished towers, query terms and memory, since these will learn on."""
        self.add_terms(0)
        self.add_memory(0)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_scale.device

    @property
    def scale(self) -> Float[Tensor, ""]:
        """One over the learned temperature, at most 100."""
        return self.log_scale.exp().clamp(max=100)

    def queries(self, states: TextStates) -> Float[Tensor, "query dim"]:
        """Q(q): vectors of a batch of queries, without the part of `terms`."""
        vectors: Tensor = self.query_tower(states.states, states.mask).vectors
        if self.lexical is None:
            return vectors
        return self.lexical.with_query_words(vectors, self.lexical(states.grams))

    def items(self, states: ItemStates) -> ItemOutput:
        """S_t(s), S_i(s) and S_m(s) of a batch of items."""
        text = self.text_tower(states.text.states, states.text.mask)
        image, multimodal = None, text.vectors
        if states.images is not None and self.image_tower is not None and self.multimodal_tower is not None:
            seen = self.image_tower(states.images)
            image = seen.vectors
            multimodal = self.multimodal_tower(text, seen, states.with_image)
        output = ItemOutput(text.vectors, image, multimodal, states.with_image)
        if self.lexical is not None:
            sketches = self.lexical(states.text.grams)
            output = ItemOutput(
                text=self.lexical.with_item_words(text.vectors, sketches),
                image=None if image is None else self.lexical.without_words(image),
                multimodal=self.lexical.with_item_words(multimodal, sketches),
                with_image=states.with_image,
            )
        return output if self.terms is None else self._with_terms(self.terms, output, states.images)

    def _with_terms(self, terms: QueryTerms, output: ItemOutput, images: ImageStates | None) -> ItemOutput:
        text, seen = terms.with_item_terms(output.text, output.text, None), output.with_image
        multimodal = text
        if images is not None and output.image is not None:
            both = terms.with_item_terms(
                output.multimodal[seen], output.text[seen], self.scaled_summaries(images)
            )
            multimodal = text.index_put((seen,), both)
        image = None if output.image is None else terms.without_terms(output.image)
        return ItemOutput(text, image, multimodal, seen)

    def scaled_summaries(self, images: ImageStates) -> Float[Tensor, "image photo_width"]:
        """The summaries of photos as the image tower scales them, which is how query terms read them."""
        assert self.image_tower is not None
        scaled: Tensor = self.image_tower.summary_scale(images.summary)
        return scaled

    def read_queries(self, texts: Sequence[str]) -> Texts:
        """Tokenise normalised queries for the query tower."""
        return Texts.read(self.query_encoder, texts, self.config.text.max_query_tokens)

    def read_items(self, catalog: Catalog) -> ItemSource:
        """Open a catalogue for the item towers; states of frozen encoders come from, or go to, `cache`."""
        encoders = self.text_encoder, self.image_encoder
        source = ItemSource.read(encoders, catalog, self.config.item_fields, self.cache)
        if self.config.gate.closed:
            source.leave_out_photos(in_categories(catalog, self.config.gate.closed))
        return source

    def close(self, categories: Collection[str]) -> None:
        """Use no photos of items of `categories` from now on, but in sources that are open already."""
        gate = self.config.gate.model_copy(update={"closed": tuple(sorted(categories))})
        self.config = self.config.model_copy(update={"gate": gate})

    @torch.inference_mode()
    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Q(q) and P(q) of normalised queries, in their order; a query's vector does not depend on the others."""
        vectors = np.empty((len(texts), self.gate.in_features), np.float32)
        gate = np.ones(len(texts), np.float32)
        with self._evaluating():
            for start in range(0, len(texts), _QUERIES_AT_ONCE):
                few = texts[start : start + _QUERIES_AT_ONCE]
                found = self.queries(self.read_queries(few).states(np.arange(len(few))))
                vectors[start : start + len(few)] = found.cpu().numpy()
                if self.has_gate:
                    gate[start : start + len(few)] = torch.sigmoid(self.gate(found)).float().cpu().numpy()
        return QueryVectors(vectors if self.terms is None else self.terms.table().join(vectors, texts), gate)

    def cuts(self, text: str) -> bool:
        """Whether a normalised query has more tokens than are read; its end is not searched for."""
        return self.read_queries([text]).cut > 0

    @property
    def photo_size(self) -> int:
        """Pixels a side of what `embed_photos` takes.

        Raises:
            QueryError: the model reads no photos.
        """
        if self.image_encoder is None:
            raise QueryError("this model reads no photos (fusion.kind is text); use one that does")
        return self.image_encoder.image_size

    @torch.inference_mode()
    def embed_photos(
        self, pixels: UInt8[np.ndarray, "photo size size 3"]
    ) -> Float32[np.ndarray, "photo dim"]:
        """S_i of photos that belong to no item; raises as `photo_size` does."""
        assert self.photo_size == pixels.shape[1]
        assert self.image_encoder is not None
        assert self.image_tower is not None
        with self._evaluating():
            states = self.image_encoder(torch.from_numpy(pixels).to(self.device))
            vectors: Tensor = self.image_tower(states).vectors
            vectors = self.lexical.without_words(vectors) if self.lexical else vectors
            return (vectors if self.terms is None else self.terms.without_terms(vectors)).cpu().numpy()

    def embed_items(self, catalog: Catalog) -> ItemArrays:
        """S_t(s) and S_m(s) of every item of a catalogue, in its order."""
        return self.embed_source(self.read_items(catalog))

    def item_digests(self, catalog: Catalog) -> UInt64[np.ndarray, " item"]:
        """What decides each item's vectors by this model: they are equal where it is."""
        return item_digests(catalog, self.config.item_fields, with_photos=self.image_encoder is not None)

    def embed_source(self, source: ItemSource) -> ItemArrays:
        """S_t(s) and S_m(s) of every row of an opened catalogue, drawn to what the model remembers of clicks."""
        return self.drawn(self.embed_rows(source, np.arange(len(source))), source.names)

    def drawn(self, arrays: ItemArrays, names: Names) -> ItemArrays:
        """What `embed_rows` gave for items of these names, drawn to what the model remembers of clicks on them."""
        memory = self.memory
        return arrays if memory is None else memory.blend(arrays, memory.recall(arrays, names))

    @torch.inference_mode()
    def embed_rows(self, source: ItemSource, rows: Rows) -> ItemArrays:
        """S_t(s) and S_m(s) of some rows, in their order, by their text and photo alone."""
        text = np.empty((len(rows), self.vector_dim), np.float32)
        multimodal = np.empty_like(text)
        with self._evaluating(), low_precision(self.device, enabled=is_fast_in_bfloat16(self.device)):
            for places in track(source.texts.batches(_ITEMS_AT_ONCE, rows), "embedding items"):
                output = self.items(source.states(rows[places]))
                text[places] = output.text.cpu().numpy()
                multimodal[places] = output.multimodal.cpu().numpy()
        return ItemArrays(text, multimodal, source.has_image[rows])

    @property
    def linear_maps(self) -> list[nn.Module]:
        """What makes vectors of pooled states: all that a model without attention has."""
        maps: list[nn.Module] = [self.query_tower.project, self.text_tower.project]
        if self.image_tower is not None:
            maps += [self.image_tower.summary, self.image_tower.norm, self.image_tower.project]
        if self.multimodal_tower is not None:
            fusion = self.multimodal_tower.fusion
            maps.append(fusion.sum if isinstance(fusion, CrossAttention) else fusion)
        return maps

    @contextmanager
    def without_attention(self) -> Iterator[None]:
        """Within the block the towers are linear maps of pooled states; what they learn stays in the model."""
        towers = [
            tower for tower in (self.query_tower, self.text_tower, self.image_tower) if tower is not None
        ]
        layers, multimodal = [tower.layers for tower in towers], self.multimodal_tower
        fusion = None if multimodal is None else multimodal.fusion
        for tower in towers:
            tower.layers = nn.ModuleList()
        if multimodal is not None and isinstance(fusion, CrossAttention):
            multimodal.fusion = fusion.sum
        try:
            yield
        finally:
            for tower, kept in zip(towers, layers, strict=True):
                tower.layers = kept
            if multimodal is not None and fusion is not None:
                multimodal.fusion = fusion

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        # To set every module's mode takes as long as a short query; a model that was loaded has it set.
        was_training = self.training
        if was_training:
            self.eval()
        try:
            yield
        finally:
            if was_training:
                self.train()
