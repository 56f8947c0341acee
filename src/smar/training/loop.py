"""The one training loop: batches, steps, live progress, validation, early stopping, checkpoints.

Knows a stage only as something that gives losses; nothing of what they mean.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch.optim import AdamW

from smar.config import Config
from smar.errors import ModelError
from smar.model.precision import Precision, is_fast_in_bfloat16, low_precision
from smar.model.smar import SMAR
from smar.progress import ProgressBar, console, progress_bar
from smar.training.checkpoint import Checkpoint, Progress
from smar.training.memory import release_freed_memory
from smar.training.negatives import NONE, NegativesConfig, draw, mine
from smar.training.pairs import PairBatch, Places
from smar.training.processes import Processes
from smar.training.recorder import Recorder, copy_metrics
from smar.training.shares import Learner
from smar.training.stage import Material, Stage

Validate = Callable[[SMAR], float]
"""A figure of merit on held-out clicks; higher is better."""

_SMOOTHING = 0.95
_STEPS_BETWEEN_TRIMS = 15
"""The step after a trim takes a third longer, and steps without one leave the heap larger by a tenth of a GB each."""


class LoopConfig(Config):
    """How long, how fast and in what precision a stage learns."""

    epochs: int = Field(default=3, ge=0)
    """How often every pair is seen; zero leaves the stage out."""
    batch_size: PositiveInt = 512
    """Clicked pairs a step; each query's negatives are the other items among them."""
    at_once: PositiveInt | None = None
    """Queries, and items, that are embedded at once; unset, those of a whole batch. Fewer take less memory and, as each
    is embedded twice then, more time; the gradients are the same."""
    accumulate: PositiveInt = 1
    """Batches whose gradients are added up before a step; negatives stay within one batch."""
    own_words: int = Field(default=0, ge=0)
    """Pairs a batch, on top of the clicked ones, of any item with some words of its own title and category."""
    masks_known: bool = True
    """Whether another item of the batch that the log has for a query is no negative of it."""
    negatives: NegativesConfig = NegativesConfig()
    """Items besides, which the model itself ranks high for a query of the batch and that nobody clicked for it."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Peak learning rate of the towers."""
    linear_learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate of the towers' linear maps, which the start has taught; unset, that of the towers."""
    encoder_learning_rate: float = Field(default=1e-4, gt=0)
    """Peak learning rate of what is trained of pretrained encoders."""
    warmup: float = Field(default=0.06, ge=0, lt=1)
    """The share of steps in which learning rates rise, before they fall along a cosine."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's weight decay."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient; a longer one is scaled down to it."""
    precision: Precision = "auto"
    """Of matrix products: `auto` takes bfloat16 where the device multiplies it in hardware."""
    patience: PositiveInt = 2
    """Validations without a better figure on held-out clicks after which the stage stops; that of the model as it came
    is not one of them."""
    validate_every: float = Field(default=1.0, gt=0)
    """Epochs between validations; the weights of the best one are kept."""
    checkpoint_every: PositiveInt = 50
    """Steps between checkpoints."""
    seed: int = 0
    """Decides the order of the pairs."""


@dataclass(frozen=True)
class Fit:
    """What a stage did: steps taken, validations (step, figure) in order, and the seconds of this run."""

    stage: str
    steps: int
    validations: tuple[tuple[int, float], ...]
    best: float | None
    seconds: float


@dataclass
class Stopwatch:
    """Pairs and seconds since this process began the stage."""

    began: float = field(default_factory=time.monotonic)
    pairs: int = 0

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """Pairs a second."""
        return self.pairs / max(self.seconds, 1e-9)


def fit(
    model: SMAR,
    stage: Stage,
    material: Material,
    config: LoopConfig,
    *,
    validate: Validate | None = None,
    home: Path | None = None,
    is_trained: bool = False,
) -> Fit:
    """Train `model` in place; with `validate`, it ends with the weights of the best validation.

    Args:
        model: trained in place.
        stage: gives the losses.
        material: the pairs, and what the towers read of them.
        config: steps, rates and stopping.
        validate: a figure on held-out clicks; without it every epoch is run and the last weights are kept.
        home: where metrics and checkpoints go. A checkpoint of this stage found there is continued, and the
            weights after it are those of a run that was never interrupted, bit for bit on a CPU.
        is_trained: validate before the first step too, so that the model cannot end worse than it came.

    Raises:
        ModelError: a loss is not a finite number.
    """
    return Loop(model, stage, material, config, home).run(validate, is_trained=is_trained)


def has_begun(home: Path, stage: str) -> bool:
    """Whether `home` holds a checkpoint of a stage, from which `fit` would go on."""
    return _checkpoint(home, stage).exists()


def has_ended(home: Path, stage: str) -> bool:
    """Whether `home` holds a sound checkpoint of a stage after which `fit` has no step left to take."""
    return _checkpoint(home, stage).is_over()


def copy_stage(source: Path, home: Path, stage: str) -> None:
    """Give `home` a stage's checkpoint and metrics (but for TensorBoard's) as `source` has them."""
    copy_metrics(source, home, stage)
    # Last: what has a checkpoint has begun.
    _checkpoint(source, stage).copy_to(_checkpoint(home, stage).folder)


def _checkpoint(home: Path, stage: str) -> Checkpoint:
    return Checkpoint(home / "checkpoint" / stage)


class Loop:
    """One stage under way."""

    def __init__(
        self, model: SMAR, stage: Stage, material: Material, config: LoopConfig, home: Path | None
    ) -> None:
        wants_low = config.precision == "bfloat16" or (
            config.precision == "auto" and is_fast_in_bfloat16(model.device)
        )
        self.processes = Processes()
        self.model = model
        self.stage = stage
        self.material = material
        self.config = config
        self.steps_an_epoch = math.ceil(
            math.ceil(len(material.pairs) / config.batch_size) / config.accumulate
        )
        self.steps = self.steps_an_epoch * config.epochs
        self.optimizer = AdamW(
            parameter_groups(model, config), weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.rate_factor = 0.0
        self.progress = Progress()
        self.recorder = Recorder(home if self.processes.is_first else None, stage.name)
        self.checkpoint = None if home is None else _checkpoint(home, stage.name)
        precision = partial(low_precision, model.device, enabled=wants_low)
        self.learner = Learner(model, stage, material, self.processes, config.at_once, precision)
        self.stopwatch = Stopwatch()

    def run(self, validate: Validate | None, *, is_trained: bool = False) -> Fit:
        """Train to the end, or until validations stop improving."""
        with torch.random.fork_rng():
            return self._run(validate, is_trained=is_trained)

    def _run(self, validate: Validate | None, *, is_trained: bool) -> Fit:
        if self.checkpoint is not None and self.checkpoint.exists():
            self.progress = self.checkpoint.load(self.model, self.optimizer)
            console.print(
                f"{self.stage.name}: continuing after step {self.progress.step:,} of {self.steps:,}"
            )
            self.recorder.rewind(self.progress.step)
        else:
            self.recorder.rewind(-1)
        if validate is not None and is_trained and self.progress.step == 0:
            self._validate(validate)
        every = max(1, round(self.steps_an_epoch * self.config.validate_every))
        with progress_bar(self.stage.name, self.steps, self.progress.step) as bar:
            for places in self._remaining(is_trained=is_trained):
                self._step(places, bar)
                step = self.progress.step
                if step % _STEPS_BETWEEN_TRIMS == 0:
                    release_freed_memory()
                if validate is not None and (step % every == 0 or step == self.steps):
                    self._validate(validate)
                self.progress.is_over |= step == self.steps
                self._keep(step)
                if self.progress.is_over:
                    break
        return self._finish()

    def _keep(self, step: int) -> None:
        if self.checkpoint is None:
            return
        if step % self.config.checkpoint_every == 0 or self.progress.is_over:
            if self.processes.is_first:
                self.checkpoint.save(self.model, self.optimizer, self.progress)
            # Whoever comes to an end next may read it.
            self.processes.wait()

    def _remaining(self, *, is_trained: bool) -> Iterator[list[Places]]:
        """The batches of every step still to take; seed and step alone decide them, so a resumed run sees the same."""
        if self.progress.is_over:
            return
        first = self.progress.step // self.steps_an_epoch
        for epoch in range(first, self.config.epochs):
            batches = self.material.pairs.batches(
                epoch, self.config.batch_size, self.config.seed, self.config.own_words
            )
            done = self.progress.step - epoch * self.steps_an_epoch
            if not done and self.config.negatives.count and (epoch or is_trained):
                self._mine(epoch)
            for at in range(done * self.config.accumulate, len(batches), self.config.accumulate):
                yield batches[at : at + self.config.accumulate]

    def _mine(self, epoch: int) -> None:
        """Find the epoch's negatives; a run that is resumed within it has them in its checkpoint."""
        config = self.config.negatives
        found = np.full((self.material.pairs.asked, config.each), NONE)
        if self.processes.is_first:
            found = mine(self.model, self.material, config)
            counts = (found != NONE).sum(axis=1)
            console.print(
                f"{self.stage.name}, epoch {epoch + 1}: {counts.mean():.1f} negatives a query; "
                f"{(counts == 0).sum():,} of {len(counts):,} queries have none"
            )
        self.progress.negatives = self.processes.same(torch.from_numpy(found))
        release_freed_memory()

    def _step(self, batches: list[Places], bar: ProgressBar) -> None:
        self.model.train()
        step = self.progress.step
        # What dropout leaves out is decided by seed and step, as the pairs are: a resumed run sees the same.
        torch.manual_seed(int(np.random.SeedSequence([self.config.seed, step]).generate_state(1)[0]))
        self.rate_factor = learning_rate_factor(step, self.steps, self.config.warmup)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.rate_factor
        self.optimizer.zero_grad(set_to_none=True)
        means: dict[str, float] = {}
        for number, places in enumerate(batches):
            losses = self.learner.learn(self._batch(places, number), 1 / len(batches))
            if not torch.isfinite(losses["loss"]):
                raise ModelError(
                    f"{self.stage.name}, step {step + 1}: the loss is {losses['loss'].item()}; lower the learning rates"
                )
            for name, loss in losses.items():
                means[name] = means.get(name, 0.0) + loss.item() / len(batches)
            self.stopwatch.pairs += len(places)
        self.processes.add_up_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.progress.step += 1
        self._report(means, bar)

    def _batch(self, places: Places, number: int) -> PairBatch:
        batch = self.material.pairs.batch(places)
        if self.progress.negatives is not None:
            chance = np.random.default_rng([self.config.seed, self.progress.step, number])
            mined = self.progress.negatives.numpy()
            more = draw(mined, batch.queries, self.config.negatives.count, chance)
            batch = self.material.pairs.with_more(batch, more)
        return batch if self.config.masks_known else replace(batch, known=np.zeros_like(batch.known))

    def _report(self, losses: dict[str, float], bar: ProgressBar) -> None:
        smooth = self.progress.smooth
        for name, loss in losses.items():
            smooth[name] = _SMOOTHING * smooth.get(name, loss) + (1 - _SMOOTHING) * loss
        self.recorder.write(
            self.progress.step,
            {
                "epoch": self.progress.step / self.steps_an_epoch,
                **losses,
                "temperature": 1 / self.model.scale.item(),
                "learning_rate": self.config.learning_rate * self.rate_factor,
                "pairs_per_second": round(self.stopwatch.rate, 1),
            },
        )
        shown = "  ".join(f"{name} {value:.3f}" for name, value in smooth.items())
        bar.note(f"{shown}  {self.stopwatch.rate:,.0f} pairs/s")
        bar.advance()

    def _validate(self, validate: Validate) -> None:
        progress = self.progress
        own = validate(self.model) if self.processes.is_first else math.nan
        figure = self.processes.same(torch.tensor(own, dtype=torch.float64)).item()
        progress.validations.append((progress.step, figure))
        self.recorder.write(progress.step, {"validation": figure})
        best = max(figure for _, figure in progress.validations)
        console.print(
            f"{self.stage.name}, step {progress.step:,}: {figure:.4f} on held-out clicks (best {best:.4f})"
        )
        if figure == best:
            progress.keep_best(self.model)
        since = len(progress.validations) - 1 - [f for _, f in progress.validations].index(best)
        if progress.validations[0] == (0, best):
            since -= 1
        progress.is_over = since >= self.config.patience

    def _finish(self) -> Fit:
        progress = self.progress
        if progress.best is not None:
            progress.restore_best(self.model)
        self.recorder.close()
        self.model.eval()
        figures = [figure for _, figure in progress.validations]
        return Fit(
            self.stage.name,
            progress.step,
            tuple(progress.validations),
            max(figures, default=None),
            self.stopwatch.seconds,
        )


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Rises linearly over the first `warmup` share of `steps`, then falls along a cosine to zero."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def parameter_groups(model: SMAR, config: LoopConfig) -> list[dict[str, object]]:
    """Encoders and towers, each weight once, with their learning rates; empty groups are left out."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    rates = {"text_encoder": config.encoder_learning_rate, "query_encoder": config.encoder_learning_rate}
    rates |= {"image_encoder": config.encoder_learning_rate}
    linear = {weight for linear_map in model.linear_maps for weight in linear_map.parameters()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            of_tower = config.learning_rate
            if config.linear_learning_rate is not None and parameter in linear:
                of_tower = config.linear_learning_rate
            rate = rates.get(name.split(".")[0], of_tower)
            groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
