"""What the network is made of, as settings. Knows no tensors."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from smar.config import Config
from smar.data.catalog import CANONICAL
from smar.model.encoders.image import ImageEncoderConfig
from smar.model.encoders.text import TextEncoderConfig
from smar.model.fusion import FusionConfig
from smar.model.gate import GateConfig
from smar.model.lexical import LexicalConfig
from smar.model.memory import MemoryConfig
from smar.model.terms import TermsConfig
from smar.model.towers import Pooling


class ModelConfig(Config):
    """What the network is made of."""

    text: TextEncoderConfig = TextEncoderConfig()
    """The text encoder of queries and items."""
    image: ImageEncoderConfig = ImageEncoderConfig()
    """The image encoder; none is built where `fusion.kind` is `text`."""
    fusion: FusionConfig = FusionConfig()
    """How an item's text and image become one vector."""
    lexical: LexicalConfig = LexicalConfig()
    """What vectors keep of a text's spelling; left out where `fusion.kind` is `image`."""
    terms: TermsConfig = TermsConfig()
    """What vectors keep of the words that shoppers use for an item; left out where `fusion.kind` is `image`."""
    memory: MemoryConfig = MemoryConfig()
    """What vectors keep of the queries that items were clicked for."""
    gate: GateConfig = GateConfig()
    """The prediction header that decides whether a query needs the image."""
    item_fields: tuple[str, ...] = ("title", "category", "brand", "description")
    """The columns of an item that its text tower reads, in this order."""
    shares_text_encoder: bool = True
    """Whether queries and items are read by one text encoder; each tower has its own head either way."""
    dim: PositiveInt = 384
    """Components of a vector's meaning; `lexical.dim` comes on top."""
    heads: PositiveInt = 6
    """Attention heads of the towers' own layers; the encoder's width must be a multiple of it."""
    query_layers: int = Field(default=0, ge=0)
    """Transformer layers of the query tower on top of its encoder; without, a frozen one learns linear maps alone."""
    text_layers: int = Field(default=0, ge=0)
    """Transformer layers of the item text tower on top of its encoder."""
    image_layers: int = Field(default=1, ge=0)
    """Transformer layers of the item image tower on top of its encoder."""
    pooling: Pooling = "mean"
    """How a text tower makes one state of many: the mean, or the first (CLS)."""
    text_dropout: float = Field(default=0.1, ge=0, lt=1)
    """The share of a text's pooled state that training leaves out, other numbers each time."""
    image_dropout: float = Field(default=0.3, ge=0, lt=1)
    """The share of a photo's summary that training leaves out."""
    temperature: float = Field(default=0.05, gt=0, le=1)
    """Where the learned temperature of the contrastive losses starts."""
    seed: int = 0
    """Decides every weight that no encoder brings along."""

    @model_validator(mode="after")
    def _fields_are_texts(self) -> ModelConfig:
        unknown = set(self.item_fields) - set(CANONICAL)
        if unknown or not self.item_fields:
            raise ValueError(f"item_fields must name columns of {', '.join(CANONICAL)}")
        return self
