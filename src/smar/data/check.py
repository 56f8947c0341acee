"""Everything that is wrong with a shop's folder, in one report.

Knows tables and photos; changes nothing, and has never heard of a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from smar.data.catalog import Catalog
from smar.data.check_tables import (
    CheckedItems,
    Findings,
    check_clicks,
    check_events,
    check_grades,
    check_items,
    check_queries,
)
from smar.data.clicks import ClickConfig, ClickLog, normalise_query
from smar.data.events import read_clicks, read_events
from smar.data.images import ImageFault, ImageLimits, inspect_image
from smar.data.judgments import GRADE_SUFFIXES, QUERY_SUFFIXES
from smar.data.records import Fault
from smar.data.shop import find_log, judged_splits
from smar.data.tables import find_table
from smar.errors import DataError
from smar.progress import track

IMAGES_AT_ONCE = 1000

Inspect = Callable[[Sequence[Path], ImageLimits], Iterator[list[ImageFault]]]


@dataclass(frozen=True)
class ShopCheck:
    """What was found: `faults` in the order of files and rows, and how many there are of each kind.

    `left_out` says what training will do without, as the shop is now.
    """

    folder: Path
    faults: tuple[Fault, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error; notes are no errors."""
        return not any(fault.severity == "error" for fault in self.faults)

    def __len__(self) -> int:
        return sum(self.counts.values())


def check_shop(folder: Path, images: bool = True, limits: ImageLimits | None = None) -> ShopCheck:
    """Find every fault of a shop's tables, and decode every photo (without `images`, see that it exists).

    Of each kind up to 100,000 faults are kept; all are counted.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: is no folder; give the one that holds a shop's items.parquet, .csv or .jsonl"
        )
    findings = Findings()
    left_out: Counter[str] = Counter()
    items = _items(folder, findings)
    left_out["items that have an error"] = items.rows - len(items.catalog)
    left_out["photos that are missing or unreadable"] = _photos(
        items, inspect_images if images else find_images, limits or ImageLimits(), findings
    )
    judged = _judged(folder, items.catalog, findings)
    left_out.update(_log(folder, items.catalog, judged, findings))
    faults = sorted(findings.faults, key=lambda fault: (fault.file, fault.row or 0))
    return ShopCheck(
        folder, tuple(faults), dict(findings.counts), {what: n for what, n in left_out.items() if n}
    )


def format_check(check: ShopCheck, limit: int = 20) -> RenderableType:
    """The report for a terminal: the kinds, the first `limit` faults, and what training leaves out."""
    if not check.faults and not check.left_out:
        return Text(f"{check.folder}: no faults", style="green")
    first: dict[str, Fault] = {}
    for fault in check.faults:
        first.setdefault(fault.kind, fault)
    kinds = Table("kind", "", "how many", title=Text(f"{check.folder.name}: faults"), title_justify="left")
    by_weight = sorted(first.values(), key=lambda fault: (fault.severity, -check.counts[fault.kind]))
    for fault in by_weight:
        style = "red" if fault.severity == "error" else "yellow"
        kinds.add_row(fault.kind, Text(fault.severity, style=style), f"{check.counts[fault.kind]:,}")
    lines: list[RenderableType] = [Text(f"{fault.severity}: {fault}") for fault in check.faults[:limit]]
    if len(check) > limit:
        lines.append(Text(f"and {len(check) - limit:,} more", style="dim"))
    without = Table("left out of training", "how many", title_justify="left")
    for what, count in check.left_out.items():
        without.add_row(what, f"{count:,}")
    parts = [kinds, *lines] if check.faults else []
    return Group(*parts, *([without] if check.left_out else []))


def inspect_images(paths: Sequence[Path], limits: ImageLimits) -> Iterator[list[ImageFault]]:
    """Decode each image and say what is unusual about it, several at a time."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), IMAGES_AT_ONCE):
            yield from pool.map(
                lambda path: inspect_image(path, limits), paths[start : start + IMAGES_AT_ONCE]
            )


def find_images(paths: Sequence[Path], limits: ImageLimits) -> Iterator[list[ImageFault]]:
    """Say of each image only whether it is there."""
    for path in paths:
        yield [] if path.is_file() else inspect_image(path, limits)


def _items(folder: Path, findings: Findings) -> CheckedItems:
    with _reported(findings, "items"):
        path = find_table(folder, "items")
        if path is None:
            raise DataError("there is no items.parquet, items.csv or items.jsonl; a shop needs one")
        return check_items(path, findings)
    return CheckedItems.none(folder)


def _photos(items: CheckedItems, inspect: Inspect, limits: ImageLimits, findings: Findings) -> int:
    """Report on every photo that a sound item names; give the number of items whose photo is of no use."""
    if items.photos.is_empty():
        return 0
    images = items.photos["image"].unique(maintain_order=True).to_list()
    paths = [items.catalog.folder / image for image in images]
    seen = dict(zip(images, track(inspect(paths, limits), "look at photos", len(paths)), strict=True))
    unusable = 0
    for row, image in items.photos.iter_rows():
        unusable += any(fault.fatal for fault in seen[image])
        findings.add(
            Fault(
                f"image {fault.kind}",
                fault.message,
                items.file,
                row,
                "image",
                severity="error" if fault.fatal else "note",
            )
            for fault in seen[image]
        )
    return unusable


def _judged(folder: Path, catalog: Catalog, findings: Findings) -> set[str]:
    """Check every split; give all judged queries, normalised."""
    judged: set[str] = set()
    for split in sorted({*judged_splits(folder, "queries"), *judged_splits(folder, "qrels")}):
        queries = None
        with _reported(findings, f"queries.{split}"):
            path = find_table(folder, f"queries.{split}", QUERY_SUFFIXES)
            if path is None:
                raise DataError(f"there is no queries.{split}.*; a split needs queries and qrels")
            queries = check_queries(path, findings)
            judged.update(normalise_query(text) for text in queries["query"].drop_nulls().to_list())
        with _reported(findings, f"qrels.{split}"):
            path = find_table(folder, f"qrels.{split}", GRADE_SUFFIXES)
            if path is None:
                raise DataError(f"there is no qrels.{split}.*; a split needs queries and qrels")
            check_grades(path, queries, catalog, findings)
    return judged


def _log(folder: Path, catalog: Catalog, judged: set[str], findings: Findings) -> Mapping[str, int]:
    """Check the log; give what training will leave out of it, by reason."""
    events, clicks = None, None
    with _reported(findings, "events"):
        events, clicks = find_log(folder)
        if events is not None:
            check_events(events, catalog, findings)
        elif clicks is not None:
            check_clicks(clicks, catalog, findings)
        else:
            message = "there is no events and no clicks table; the shop can be searched, not trained on"
            findings.add([Fault("missing table", message, "events", severity="note")])
    # A log that training refuses whole has had its faults reported above.
    with suppress(DataError):
        if events is not None:
            return _of_the_log(read_events(events, catalog, ClickConfig(), judged))
        if clicks is not None:
            return _of_the_log(read_clicks(clicks, catalog, ClickConfig(), judged))
    return {}


def _of_the_log(log: ClickLog) -> Mapping[str, int]:
    return {f"clicks and orders: {reason}": count for reason, count in log.left_out.items()}


@contextmanager
def _reported(findings: Findings, file: str) -> Iterator[None]:
    """Report what keeps a whole table from being checked as a fault of `file`."""
    try:
        yield
    except DataError as error:
        findings.add([Fault("unusable table", str(error), file)])
