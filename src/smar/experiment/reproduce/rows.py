"""What the table's rows are: changes to a recipe, and how the trained model is asked.

Knows settings by name; trains and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smar.errors import ConfigError
from smar.retrieval.engine import ImageMode

Part = Literal["rivals", "fusion", "gate", "ablations", "weights", "limit"]
Ask = ImageMode | Literal["words", "oracle", "judgements"]
"""How a row's queries are asked: an image mode; `words` is BM25 and needs no model; `oracle` takes, for each query
and measure, the better of `always` and `never`, which no search engine can; `judgements` ranks by the grades
themselves."""


@dataclass(frozen=True)
class Row:
    """One row: `changes` to the recipe as `smar train --set` takes them, trained with one seed or with all."""

    name: str
    part: Part
    changes: tuple[str, ...] = ()
    ask: Ask = "auto"
    is_main: bool = False
    """Whether it is trained with every seed; the others with the first alone."""
    has_stage_two: bool = True
    """Whether it has both stages, or names its own epochs; others see the pairs as often in stage one alone."""

    @property
    def is_trained(self) -> bool:
        """Whether there is a model behind it."""
        return self.ask != "words"

    @property
    def is_rival(self) -> bool:
        """Whether SMAR can be better: not than what knows the judgements."""
        return self.ask not in ("oracle", "judgements")


def _fusion(kind: str) -> str:
    return f"model.fusion.kind={kind}"


def _weighted(alpha: int, beta: int, gamma: int) -> Row:
    changes = (f"pretraining.alpha={alpha}.0", f"pretraining.beta={beta}.0", f"pretraining.gamma={gamma}.0")
    return Row(f"alpha : beta : gamma = {alpha} : {beta} : {gamma}", "weights", changes)


_NO_SKETCH, _NO_TERMS = "model.lexical.dim=0", "model.terms.dim=0"
_NO_MEMORY = "model.memory.neighbours=0"
_ONE_TASK = ("pretraining.alpha=0.0", "pretraining.beta=0.0")
_NO_STAGE_TWO = ("clicks.gate_items=0.0", "adaptation.loop.epochs=0")
_NO_START = "pretraining.start.epochs=0"
_NO_STAGE_ONE = (_NO_START, "pretraining.loop.epochs=0")
_AS_IT_IS = (
    "model.query_layers=0",
    "model.text_layers=0",
    "model.dim=384",
    _NO_TERMS,
    _NO_MEMORY,
    *_NO_STAGE_ONE,
)
_LINEAR = (
    "model.query_layers=0",
    "model.text_layers=0",
    "model.image_layers=0",
    "model.text.trained=none",
    "model.text_dropout=0.1",
    "model.image_dropout=0.3",
    _NO_SKETCH,
    _NO_TERMS,
    _NO_MEMORY,
    "pretraining.start.epochs=20",
    "pretraining.loop.epochs=0",
)
"""Linear maps over what frozen encoders tell: a minute of training, and the simplest rival with pictures."""
_LOOPS = ("pretraining.start", "pretraining.loop", "adaptation.loop")
_UNMASKED = tuple(f"{loop}.masks_known=false" for loop in _LOOPS)
_NO_NEGATIVES = tuple(f"{loop}.negatives.count=0" for loop in _LOOPS)

SMAR = Row("SMAR", "gate", is_main=True)
ALWAYS = Row("SMAR, always the image", "gate", ask="always", is_main=True)
NEVER = Row("SMAR, never the image", "gate", ask="never", is_main=True)
PERFECT = Row("a perfect ranking", "limit", ask="judgements")
"""The most that any ranking can have: less than all where a query has more relevant items than are looked at."""

ROWS = (
    Row("BM25", "rivals", ask="words"),
    Row("text encoder as it is", "rivals", (_fusion("text"), _NO_SKETCH, *_AS_IT_IS)),
    Row(
        "linear sum, last layer's features",
        "rivals",
        (_fusion("sum"), *_LINEAR, *_NO_STAGE_TWO, "model.image.depths=last", "model.image.colours=false"),
        "always",
    ),
    Row(
        "linear sum, features of several depths and colours",
        "rivals",
        (_fusion("sum"), *_LINEAR, *_NO_STAGE_TWO),
        "always",
    ),
    Row("DPSR (text only)", "rivals", (_fusion("text"), *_ONE_TASK), is_main=True, has_stage_two=False),
    Row("DPSR-i (image only)", "rivals", (_fusion("image"), *_ONE_TASK), is_main=True, has_stage_two=False),
    Row("concat", "fusion", (_fusion("concat"), *_NO_STAGE_TWO), "always", has_stage_two=False),
    Row("sum", "fusion", (_fusion("sum"), *_NO_STAGE_TWO), "always", has_stage_two=False),
    Row("gated", "fusion", (_fusion("gated"), *_NO_STAGE_TWO), "always", has_stage_two=False),
    Row(
        "cross attention",
        "fusion",
        (_fusion("cross_attention"), *_NO_STAGE_TWO),
        "always",
        is_main=True,
        has_stage_two=False,
    ),
    SMAR,
    Row("SMAR, gate per category", "gate", ("model.gate.per=category",)),
    ALWAYS,
    NEVER,
    Row("SMAR, both weighed by the gate", "gate", ask="soft", is_main=True),
    Row("SMAR, the better of both (oracle)", "gate", ask="oracle", is_main=True),
    Row("without semantic projection", "ablations", ("pretraining.alpha=0.0",)),
    Row("without modality alignment", "ablations", ("pretraining.beta=0.0",)),
    Row("without asymmetric alignment", "ablations", ("pretraining.gamma=0.0",)),
    Row("without stage one", "ablations", _NO_STAGE_ONE),
    Row("without the start with linear maps", "ablations", (_NO_START,)),
    Row("without dropout", "ablations", ("model.text_dropout=0.0", "model.image_dropout=0.0")),
    Row("stage two for the gate alone", "ablations", ("adaptation.loop.epochs=0",)),
    Row("without masking known positives", "ablations", _UNMASKED),
    Row("without hard negatives", "ablations", _NO_NEGATIVES),
    Row("without spelling", "ablations", (_NO_SKETCH,)),
    Row("without query terms", "ablations", (_NO_TERMS,)),
    Row("without memory of clicks", "ablations", (_NO_MEMORY,)),
    Row("without query terms or memory", "ablations", (_NO_TERMS, _NO_MEMORY)),
    *(_weighted(*weights) for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4))),
)


def choose(names: list[str]) -> tuple[Row, ...]:
    """The rows, or the parts, called `names`, in the table's order, always with SMAR's own; all for no name.

    Raises:
        ConfigError: nothing is called so.
    """
    known = {row.name for row in ROWS} | {row.part for row in ROWS}
    for name in names:
        if name not in known:
            raise ConfigError(f"--only {name!r}: is no row; choose of {', '.join(sorted(known))}")
    wanted = {*names, SMAR.name}
    return tuple(row for row in ROWS if not names or row.name in wanted or row.part in wanted)
