"""The settings of a whole run, one section a floor. Knows the sections, not what is in them."""

from __future__ import annotations

from pydantic import Field

from smar.config import Config
from smar.data.clicks import ClickConfig
from smar.experiment.validation import ValidationConfig
from smar.model.config import ModelConfig
from smar.retrieval.index import IndexConfig
from smar.training.adapt import AdaptationConfig
from smar.training.pretrain import PretrainingConfig
from smar.training.remember import RememberingConfig
from smar.training.terms import TermsLoopConfig


class ExperimentConfig(Config):
    """One TOML file: everything that decides a run, beside the shop itself."""

    clicks: ClickConfig = ClickConfig()
    """Which clicks are learnt from, and which are held out."""
    model: ModelConfig = ModelConfig()
    """What the network is made of."""
    pretraining: PretrainingConfig = PretrainingConfig()
    """Stage one."""
    adaptation: AdaptationConfig = AdaptationConfig()
    """Stage two; left out where the model has no gate."""
    terms: TermsLoopConfig = TermsLoopConfig()
    """How the likelihood of queries' words is learnt at the end, where `model.terms.dim` is not 0."""
    memory: RememberingConfig = RememberingConfig()
    """How clicks are remembered after that, where `model.memory.neighbours` is not 0."""
    validation: ValidationConfig = ValidationConfig()
    """How held-out clicks judge a model during training."""
    index: IndexConfig = IndexConfig()
    """How items are indexed."""
    compile_queries: bool = True
    """Whether `smar index` compiles the query tower, with weights of 8 bits; searches then use that. Without it they
    use the model itself, which is some ten times slower and starts more slowly."""
    groups: dict[str, tuple[str, ...]] = Field(default={})
    """Departments that `smar reproduce` shows together, by the group's name; without any, each by itself."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads for torch; unset, as many as there are cores."""
