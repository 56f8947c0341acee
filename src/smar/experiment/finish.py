"""The end of a run: query terms and the memory of clicks, learnt for finished towers, and the gate over both.

Knows the order of things and that held-out clicks judge them; how each is learnt, its own module knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.experiment.config import ExperimentConfig
from smar.experiment.validation import HeldOut
from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.progress import say
from smar.training.gate import GateFit, GateLesson, fit_gate
from smar.training.pairs import Pairs
from smar.training.remember import MemoryFit, RememberingConfig, choose_memory, remember
from smar.training.terms import TermsFit, TermsLoopConfig, choose_weight, fit_terms


@dataclass(frozen=True)
class Ending:
    """What was learnt last; None is what this model has not, or gained nothing by."""

    terms: TermsFit | None = None
    memory: MemoryFit | None = None
    gate: GateFit | None = None


@dataclass(frozen=True)
class Evidence:
    """What the end of a run learns from."""

    clicks: ClickLog
    """All that are learnt from."""
    catalog: Catalog
    items: ItemSource
    """The catalogue, opened."""
    first: FirstStage | None = None
    """What the gate learns by; None if there is none."""


@dataclass(frozen=True)
class FirstStage:
    """The model as stage one left it, the clicks that it saw, and those on other items, kept for the gate."""

    model: SMAR
    seen: ClickLog
    unseen: ClickLog

    def lesson(self, model: SMAR, evidence: Evidence, config: ExperimentConfig) -> GateLesson:
        """Rank the unseen clicks, after giving stage one's model, in place, what `model` has of terms and memory.

        They are learnt anew, from the seen clicks alone, and count as they count for `model`. By the model itself the
        photo would rank first where it was learnt by heart.
        """
        pairs = Pairs.from_clicks(self.seen, evidence.catalog)
        if model.terms is not None:
            fit_terms(self.model, pairs, evidence.items, config.terms)
            if self.model.terms is not None:
                self.model.terms.weight.copy_(model.terms.weight)
        if model.memory is not None:
            remember(self.model, pairs, evidence.items, config.memory)
            if self.model.memory is not None:
                self.model.memory.weigh(
                    float(model.memory.text_weight), float(model.memory.multimodal_weight)
                )
        return GateLesson.read(self.model, self.unseen, evidence.catalog, evidence.items)


def finish(model: SMAR, evidence: Evidence, config: ExperimentConfig, held_out: HeldOut) -> Ending:
    """Learn, in place, what the model's settings name of query terms and memory, and fit the gate to both.

    The gate was fitted before, but terms and memory do not count alike for text and multimodal vectors.

    Args:
        model: its towers have learnt all they will.
        evidence: to learn from.
        config: of the run.
        held_out: judges how much terms and memory count.
    """
    terms = memory = gate = None
    pairs = Pairs.from_clicks(evidence.clicks, evidence.catalog)
    if config.model.terms.dim and config.model.fusion.kind != "image":
        terms = _learn_terms(model, pairs, evidence.items, config.terms, held_out)
    if config.model.memory.neighbours:
        memory = _remember(model, pairs, evidence.items, config.memory, held_out)
    if evidence.first and config.model.gate.per == "query" and (model.terms or model.memory):
        lesson = evidence.first.lesson(model, evidence, config)
        gate = fit_gate(model, lesson, config.adaptation.gate_penalties)
        say_of_gate(gate, "with query terms and memory")
    return Ending(terms, memory, gate)


def say_of_gate(gate: GateFit, when: str) -> None:
    """Say what the gate learnt from `when` it was fitted, and what it is worth there."""
    say(
        f"gate {when}: {gate.clicks:,} clicks on items new to stage one, {gate.share_with_image:.0%} of them with "
        f"the image; doublings of rank gained over text vectors: {gate.routed:.3f}, always {gate.always:.3f}"
    )


def _learn_terms(
    model: SMAR, pairs: Pairs, items: ItemSource, config: TermsLoopConfig, held_out: HeldOut
) -> TermsFit | None:
    words, seen = fit_terms(model, pairs, items, config)
    if not words:
        say("query terms: no word of the log's queries is frequent enough, or terms.epochs is 0; left out")
        return None
    engine = held_out.engine(model, model.embed_rows(items, held_out.rows))
    weight, figures = choose_weight(model, config.weights, lambda: held_out.judge(engine))
    gained = f"{figures['0']:.4f} to {figures[f'{weight:g}']:.4f} on held-out clicks" if weight else "no gain"
    say(f"query terms: {words:,} words, {seen:,} clicked items, weight {weight:g}: {gained}")
    return TermsFit(words, seen, weight, figures)


def _remember(
    model: SMAR, pairs: Pairs, items: ItemSource, config: RememberingConfig, held_out: HeldOut
) -> MemoryFit | None:
    count = remember(model, pairs, items, config)
    if model.memory is None:
        return None
    judge = held_out.judge_of_memory(model, model.memory, items)
    weights, figures = choose_memory(model, config, judge)
    best = figures["{:g}, {:g}".format(*weights)]
    say(
        f"memory: {count:,} clicked items, text vectors drawn by {weights[0]:g}, multimodal ones by {weights[1]:g}: "
        f"{figures['0, 0']:.4f} to {best:.4f} on held-out clicks, half of them as if on new items"
    )
    return MemoryFit(count, *weights, figures)
