"""A run from a shop's clicks to a saved model: both stages, validated and stopped on held-out clicks.

Knows the order of things; each step is done on its own floor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from smar.data.clicks import ClickLog
from smar.data.shop import Shop
from smar.errors import ConfigError, DataError, MismatchError
from smar.experiment.config import ExperimentConfig
from smar.experiment.finish import Ending, Evidence, FirstStage, finish, say_of_gate
from smar.experiment.reuse import reuse
from smar.experiment.runs import CONFIG, SUMMARY
from smar.experiment.validation import HeldOut
from smar.files import write_text
from smar.model.smar import SMAR
from smar.model.store import FOLDER
from smar.progress import say
from smar.training.adapt import learn_both
from smar.training.gate import GateFit, GateLesson
from smar.training.loop import Fit, fit, has_begun
from smar.training.pretrain import Pretraining, calibrate, start
from smar.training.processes import Processes
from smar.training.remember import MemoryFit
from smar.training.stage import Material, split_for_gate
from smar.training.terms import TermsFit


@dataclass(frozen=True)
class RunSummary:
    """What a run learnt from and how each stage ended."""

    pairs: int
    held_out_pairs: int
    left_out: dict[str, int]
    items: int
    items_with_image: int
    photos_left_out: dict[str, int]
    stages: list[Fit]
    gate: GateFit | None
    """As it was fitted between the stages, to clicks that the towers had not met."""
    terms: TermsFit | None = None
    memory: MemoryFit | None = None
    last_gate: GateFit | None = None
    """As it is, where it was fitted once more, for vectors with terms and memory."""


def train(
    shop: Shop,
    config: ExperimentConfig,
    out: Path,
    cache: Path | None = None,
    *,
    resume: bool = False,
    others: Sequence[Path] = (),
) -> RunSummary:
    """Train a model on a shop's clicks and save it with its metrics in `out`.

    Args:
        shop: its judged queries are not looked at, but to leave them out of the log.
        config: everything that decides the run.
        out: the run's folder; it must be absent or empty, or, with `resume`, hold this run.
        cache: where states of frozen encoders are kept; `~/.cache/smar` if not given.
        resume: continue a run that was interrupted; it ends as if it had not been.
        others: folders of other runs; stages that one of them has ended by the same settings are taken from
            there (`smar.experiment.reuse`).

    Raises:
        DataError: `out` holds something, or there is nothing to learn from.
        MismatchError: `resume` is asked for a run with another configuration or shop.
    """
    processes = Processes()
    log = shop.clicks(config.clicks)
    learnt, kept_back = log.split(config.clicks.held_out, config.clicks.seed)
    # Before the folder is claimed: a model that cannot be built leaves nothing behind.
    model = SMAR.build(config.model)
    seen, unseen = split_for_gate(model, learnt, config.clicks)
    _check_logs({"learn from": seen, "validate on": kept_back}, log, config)
    with processes.in_turn():
        _claim(out, config, shop, resume=resume or not processes.is_first)
        reused = reuse(config, shop.fingerprint, out, others) if processes.is_first else None
    if reused is not None:
        say(f"{' and '.join(reused.stages)}: taken from {reused.source}, learnt there by the same settings")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    say(f"{log!r}: {len(learnt):,} pairs to learn from, {len(kept_back):,} held out")

    model.cache = cache or model.cache
    model.to(processes.device)
    with processes.in_turn():  # The others find the states of frozen encoders in the cache.
        items = model.read_items(shop.catalog)
    if len(unseen):
        say(f"{len(unseen):,} of these pairs are kept from stage one, for the gate to learn from")
    own_words = config.pretraining.loop.own_words
    material = Material.read(model, seen, shop.catalog, items, own_words=own_words, unseen=unseen)
    calibrate(model, material)
    held_out = HeldOut.read(kept_back, shop.catalog, config.validation)
    candidates = held_out.among(config.validation.candidates, config.clicks.seed)
    validate = candidates.figure

    stages = []
    stage_one = Pretraining(config.pretraining)
    if not has_begun(out, stage_one.name):
        stages.append(start(model, material, config.pretraining))
    stages.append(
        fit(
            model,
            stage_one,
            material,
            config.pretraining.loop,
            validate=validate,
            home=out,
            is_trained=config.pretraining.start.epochs > 0,
        )
    )
    gate = first = None
    if model.has_gate:
        if len(unseen):
            first = FirstStage(deepcopy(model), seen, unseen)
        lesson = GateLesson.read(model, unseen, shop.catalog, items)
        own_words = config.adaptation.loop.own_words
        material = Material.read(model, learnt, shop.catalog, items, own_words=own_words)
        stage, gate = learn_both(
            model, lesson, material, shop.catalog, config.adaptation, validate=validate, home=out
        )
        stages.append(stage)
        say_of_gate(gate, "between the stages")
    ending = Ending()
    if processes.is_first:
        last = held_out.among(config.validation.last_candidates, config.clicks.seed)
        ending = finish(model, Evidence(learnt, shop.catalog, items, first), config, last)
    summary = RunSummary(
        pairs=len(learnt),
        held_out_pairs=len(kept_back),
        left_out=dict(log.left_out),
        items=len(items),
        items_with_image=int(items.has_image.sum()),
        photos_left_out=dict(items.images.faults) if items.images else {},
        stages=stages,
        gate=gate,
        terms=ending.terms,
        memory=ending.memory,
        last_gate=ending.gate,
    )
    if processes.is_first:
        model.save(out / FOLDER)
        write_text(out / SUMMARY, json.dumps(asdict(summary), indent=2) + "\n")
    processes.wait()
    return summary


def _check_logs(parts: dict[str, ClickLog], log: ClickLog, config: ExperimentConfig) -> None:
    for use, part in parts.items():
        if not len(part):
            raise DataError(
                f"the click log leaves nothing to {use} with clicks.held_out = {config.clicks.held_out} and "
                f"clicks.gate_items = {config.clicks.gate_items}; "
                f"left out: {dict(log.left_out) or 'nothing'}; `smar check` lists faults"
            )


def _claim(out: Path, config: ExperimentConfig, shop: Shop, *, resume: bool) -> None:
    """Make `out` this run's folder, or see that it is."""
    identity: dict[str, Any] = {
        # Which departments are shown together is not the run's business.
        "config": json.loads(config.model_dump_json(exclude={"groups"})),
        "shop": str(shop.folder.resolve()),
        "shop_fingerprint": shop.fingerprint,
    }
    path = out / CONFIG
    if resume:
        if not path.exists():
            raise ConfigError(f"{out}: holds no run to resume; leave out --resume to start one")
        found = json.loads(path.read_text(encoding="utf-8"))
        for what in ("config", "shop_fingerprint"):
            if found[what] != identity[what]:
                raise MismatchError(f"{path}: was begun with another {what}; give the same, or another --out")
        return
    if out.exists() and (not out.is_dir() or any(path.suffix != ".part" for path in out.iterdir())):
        raise DataError(f"{out}: is there already; give another --out, or --resume to continue it")
    write_text(path, json.dumps(identity, indent=2) + "\n")
