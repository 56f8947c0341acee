"""A run's folder, opened: its settings, its model, and a search engine over its index. Knows no training."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from smar.data.shop import Shop
from smar.errors import ModelError
from smar.experiment.config import ExperimentConfig
from smar.experiment.ray.embedding import EmbeddingOnCluster
from smar.model.compiled import FOLDER as QUERIES
from smar.model.compiled import CompiledQueries
from smar.model.smar import SMAR
from smar.model.store import FOLDER
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.generations import Generation
from smar.retrieval.journal import apply_changes, read_changes
from smar.retrieval.publishing import KEPT, write_generation

CONFIG, SUMMARY = "run.json", "summary.json"


@dataclass(frozen=True)
class Run:
    """A folder that `smar train` finished."""

    folder: Path
    config: ExperimentConfig

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @cached_property
    def model(self) -> SMAR:
        """The trained model."""
        return SMAR.load(self.folder / FOLDER)

    def index(
        self,
        shop: Shop,
        cache: Path | None = None,
        *,
        anew: bool = False,
        cluster: MilvusAddress | None = None,
        keep: int = KEPT,
        ray: str | None = None,
    ) -> Generation:
        """Embed a shop's catalogue and publish it as the run's new index generation, with queries to suggest.

        Items that a service changed since the shop's table of items was written are taken in as they are now; older
        changes are taken to be in the table. Items that did not change since the current generation are not embedded
        again, unless `anew`. With a `cluster` vectors are indexed there. The last `keep` generations stay.
        A Ray cluster at the address `ray` embeds the items, if one is given (docs/ray.md).
        """
        self.model.cache = cache or self.model.cache
        model = self.model if ray is None else EmbeddingOnCluster.build(self.model, self.folder / FOLDER, ray)
        self._compile_queries()
        log = shop.clicks(self.config.clicks) if shop.has_log else None
        changes = read_changes(self.folder / "index")
        newer = [change for change in changes if change.time > shop.items_written]
        catalog = apply_changes(shop.catalog, newer) if newer else shop.catalog
        number = changes[-1].number if changes else 0
        return write_generation(
            self.folder,
            model,
            catalog,
            self.config.index,
            log,
            number,
            anew=anew,
            cluster=cluster,
            keep=keep,
        )

    def engine(self, cluster: MilvusAddress | None = None) -> SearchEngine:
        """A search engine over the current index, which may be in a `cluster`; `smar index` makes one."""
        is_compiled = (self.folder / QUERIES).is_dir()
        return SearchEngine.open(self.folder, None if is_compiled else self.model, cluster)

    def _compile_queries(self) -> None:
        folder = self.folder / QUERIES
        if not self.config.compile_queries:
            shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            if CompiledQueries.load(folder).fingerprint == self.model.fingerprint:
                return
        except ModelError:
            pass  # Missing, damaged, or of another version: what all of them need is a new one.
        from smar.model.compiling import compile_queries

        compile_queries(self.model, folder)


def open_run(folder: str | Path) -> Run:
    """Open a run.

    Raises:
        ModelError: there is no run, or its training has not ended.
    """
    folder = Path(folder)
    path = folder / CONFIG
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: is no run ({path.name} cannot be read); train one with `smar train`"
        ) from error
    if not (folder / FOLDER).is_dir():
        raise ModelError(f"{folder}: its training has not ended; continue it with `smar train --resume`")
    return Run(folder, ExperimentConfig.check(settings, where=str(path)))
