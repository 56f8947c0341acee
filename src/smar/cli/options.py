"""What several commands take, and how all of them print. Knows no command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.measure import Measurement

_WIDEST = 500
IMAGE_HELP = "Item vectors to search: auto (the gate decides), always, never (text only) or soft (both)."
RUN_HELP = (
    "The folder of a run, also with an image mode as in runs/mart:never, also fused with BM25 as in runs/mart+bm25; "
    "a TREC run file; or bm25."
)

AS_TYPED_HELP = "Correct nobody's spelling: search for every word as it was typed."

ShopFolder = Annotated[Path, typer.Argument(metavar="SHOP", help="The folder of a shop.")]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        envvar="SMAR_ENGINE",
        metavar="URL",
        help="A cluster that holds the index, such as milvus://localhost:19530 (docs/cluster.md).",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        envvar="SMAR_RAY",
        metavar="ADDRESS",
        help="A Ray cluster that does the work, such as 127.0.0.1:6379 (docs/ray.md).",
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where states of frozen encoders are kept (default: $SMAR_CACHE or ~/.cache/smar).",
    ),
]
Split = Annotated[str, typer.Option("--split", help="Which judged queries of the shop.")]
Queries = Annotated[
    Path | None, typer.Option("--queries", metavar="FILE", help="Judged queries, instead of a split.")
]
Grades = Annotated[
    Path | None, typer.Option("--qrels", metavar="FILE", help="The judgements of these queries.")
]
Measures = Annotated[str, typer.Option("--measures", metavar="NAMES", help="Measures, with commas between.")]


def show(what: RenderableType) -> None:
    """Print a table as wide as it needs to be: a cut number is worse than a long line."""
    console = Console()
    unbounded = console.options.update(width=_WIDEST)
    console.width = max(console.width, Measurement.get(console, unbounded, what).maximum)
    console.print(what)
