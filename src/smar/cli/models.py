"""Commands from a shop to figures: make one up, check it, train, index, search, judge, compare, reproduce.

Imports of what loads torch, faiss or polars stand inside the commands, so that `smar --help` and a mistyped option
answer at once.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from smar.cli.app import app
from smar.cli.options import (
    AS_TYPED_HELP,
    IMAGE_HELP,
    RUN_HELP,
    Cache,
    Engine,
    Grades,
    Measures,
    Queries,
    Ray,
    RunFolder,
    ShopFolder,
    Split,
    show,
)
from smar.errors import ConfigError

if TYPE_CHECKING:
    from smar.experiment.train import RunSummary
    from smar.retrieval.engine import SearchEngine
    from smar.retrieval.results import SearchResult

_TITLE_WIDTH = 60


@app.command("make-shop")
def make_shop(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it; must not exist yet.")],
    items: Annotated[int, typer.Option("--items", help="How many items.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Make up a shop.

    Pictures are drawn, titles composed, shoppers simulated; the judgements are exact.
    """
    from smar.market.config import MarketConfig
    from smar.market.shop import make_shop as make

    make(folder, MarketConfig.check({"items": items, "seed": seed}, where="make-shop"))
    typer.echo(f"{folder}: {items:,} items; {folder / 'README.md'} says what is in it")


@app.command()
def check(
    shop: ShopFolder,
    images: Annotated[bool, typer.Option(help="Decode every photo, or only see that it is there.")] = True,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many faults to list one by one.")] = 20,
) -> None:
    """Report every fault of a shop.

    Each with file, row and field. The exit code is 2 if there is any beyond notes.
    """
    from smar.data.check import check_shop, format_check

    found = check_shop(shop, images=images)
    show(format_check(found, limit))
    if not found.ok:
        raise typer.Exit(2)


@app.command()
def train(
    shop: ShopFolder,
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The settings, in TOML.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The run's folder; must not exist yet.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped.")] = False,
    cache: Cache = None,
) -> None:
    """Learn a model from a shop's click log."""
    from smar.data.shop import Shop
    from smar.experiment.config import ExperimentConfig
    from smar.experiment.train import train as train_run
    from smar.training.processes import Processes

    settings = ExperimentConfig.load(config, changes or ())
    summary = train_run(Shop.open(shop), settings, out, cache, resume=resume)
    if not Processes().is_first:
        return
    _tell(out, summary)
    typer.echo(f"next: smar index {shop} {out}")


@app.command()
def index(
    shop: ShopFolder,
    run: RunFolder,
    cache: Cache = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Embed every item again, also those that did not change.")
    ] = False,
    engine: Engine = None,
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="How many generations stay, the new one among them.")
    ] = 3,
    ray: Ray = None,
) -> None:
    """Embed a shop's items and publish their index; items that did not change keep their vectors."""
    from smar.data.shop import Shop
    from smar.experiment.runs import open_run
    from smar.retrieval.engines.milvus.address import MilvusAddress

    opened, cluster = open_run(run), MilvusAddress.of(engine)
    generation = opened.index(Shop.open(shop), cache, anew=anew, cluster=cluster, keep=keep, ray=ray)
    place = "" if cluster is None else f" in {cluster}"
    where = "" if engine is None else f" --engine {shlex.quote(engine)}"
    typer.echo(
        f"{generation.path}: published, {opened.config.index.kind} index{place}; "
        f"next: smar search {run} QUERY{where}"
    )


@app.command()
def search(
    run: RunFolder,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What a shopper types.")],
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="NAME=VALUE", help="Only such items: brand=Acme, price=10..40; repeatable."
        ),
    ] = None,
    image: Annotated[str, typer.Option("--image", metavar="MODE", help=IMAGE_HELP)] = "auto",
    as_typed: Annotated[bool, typer.Option("--as-typed", help=AS_TYPED_HELP)] = False,
    engine: Engine = None,
) -> None:
    """Find items for a query in an indexed run.

    Also says which item vectors were searched, and the gate's value.
    """
    from smar.data.clicks import normalise_query
    from smar.retrieval.engine import image_mode
    from smar.retrieval.filters import parse_filters

    mode, wanted = image_mode(image), parse_filters(filters or ())
    searching = _engine(run, engine)
    if as_typed:
        searching = searching.as_typed()
    result = searching.search(query, k, wanted, mode)
    if result.searched != normalise_query(query):
        typer.echo(f"searched for {result.searched!r}; --as-typed searches for what was typed")
    typer.echo(
        f"{result.query!r}: {result.vectors} vectors, gate {result.gate:.3f} "
        f"(multimodal from {searching.model.gate_threshold:.3f})"
    )
    if result.is_cut:
        typer.echo("the query is longer than the model reads: its end was not searched for")
    if result.coverage < 1:
        typer.echo(f"{1 - result.coverage:.1%} of the items could not be reached: hits may be missing")
    show(_hits(result))


@app.command()
def evaluate(
    shop: ShopFolder,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help=RUN_HELP)] = None,
    split: Split = "dev",
    queries: Queries = None,
    qrels: Grades = None,
    measures: Measures = "R@50,P@50,F1@50,nDCG@10",
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Also write everything as JSON.")
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="MODE", help=IMAGE_HELP + " Repeatable.")
    ] = None,
    as_typed: Annotated[bool, typer.Option("--as-typed", help=AS_TYPED_HELP)] = False,
    bm25: Annotated[bool, typer.Option("--bm25", help="Also judge BM25, a search by words.")] = False,
    trec: Annotated[
        list[Path] | None,
        typer.Option("--trec", metavar="FILE", help="Also judge a TREC run file."),
    ] = None,
    run_file: Annotated[
        Path | None,
        typer.Option("--run-file", metavar="OUT", help="Write the one run judged, as TREC does."),
    ] = None,
    engine: Engine = None,
) -> None:
    """Judge runs on queries with known answers.

    One is shown in full, with intervals; several side by side, overall and by department.
    """
    from smar.data.shop import Shop
    from smar.evaluation.report import reports_json, reports_table
    from smar.experiment.judging import WORD_SEARCH, JudgedQueries, contenders, judge
    from smar.files import write_text
    from smar.retrieval.engine import image_mode
    from smar.retrieval.engines.milvus.address import MilvusAddress

    named = [*(runs or ()), *([WORD_SEARCH] if bm25 else ()), *(str(path) for path in trec or ())]
    chosen = contenders(named, [image_mode(mode) for mode in image or ()])
    if run_file is not None and len(chosen) != 1:
        raise ConfigError(f"--run-file {run_file}: holds one run, not {len(chosen)}; judge one at a time")
    opened, names = Shop.open(shop), measures.split(",")
    asked = JudgedQueries.read(opened, split, queries, qrels)
    cluster = MilvusAddress.of(engine)
    judged = judge(chosen, opened, asked, names, as_typed=as_typed, cluster=cluster)
    reports = [one.report for one in judged]
    show(reports[0].table() if len(reports) == 1 else reports_table(reports, names))
    if json_out is not None:
        write_text(json_out, json.dumps(reports_json(reports), indent=2) + "\n")
    if run_file is not None:
        judged[0].run.write(run_file, tag=judged[0].run.name.replace(" ", "-"))


@app.command()
def compare(
    shop: ShopFolder,
    a: Annotated[str, typer.Argument(metavar="RUN_A", help=RUN_HELP)],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="What to compare with it.")],
    split: Split = "dev",
    queries: Queries = None,
    qrels: Grades = None,
    measures: Measures = "R@50,nDCG@10",
    engine: Engine = None,
) -> None:
    """Say how far RUN_B lies above RUN_A.

    With a 95 % interval and p, overall and by department.
    """
    from smar.data.shop import Shop
    from smar.evaluation.compare import compare as compare_reports
    from smar.experiment.judging import JudgedQueries, contenders, judge
    from smar.retrieval.engines.milvus.address import MilvusAddress

    chosen = contenders([a, b])
    if len(chosen) != 2:
        raise ConfigError(f"{a}: is compared with itself; name two different runs")
    opened, names = Shop.open(shop), measures.split(",")
    asked, cluster = JudgedQueries.read(opened, split, queries, qrels), MilvusAddress.of(engine)
    judged = judge(chosen, opened, asked, names, cluster=cluster)
    for name in names:
        show(compare_reports(judged[0].report, judged[1].report, name).table())


@app.command()
def reproduce(
    shop: ShopFolder,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the table goes.")],
    config: Annotated[
        Path,
        typer.Option("--config", metavar="FILE", help="The recipe that the rows change."),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="This row or part of the table, and SMAR; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often the main rows are trained.")] = 3,
    split: Split = "dev",
    runs: Annotated[
        Path | None, typer.Option("--runs", metavar="DIR", help="Where models go (default: OUT/runs).")
    ] = None,
    cache: Cache = None,
) -> None:
    """Train and judge the paper's baselines and ablations side by side.

    Call it again to go on where it was stopped; what was measured is kept, and a stage that rows share is learnt once.
    """
    from smar.data.shop import Shop
    from smar.experiment.reproduce.reproduce import reproduce as measure

    found = measure(
        Shop.open(shop),
        config,
        out,
        runs=runs or out / "runs",
        only=only or (),
        seeds=seeds,
        split=split,
        cache=cache,
    )
    show(found.table())
    typer.echo(
        f"{out / 'report.html'}: with intervals, p, plots and pictures; {out / 'table.json'}: the same for programs"
    )


@app.command()
def config() -> None:
    """Print every setting as Markdown.

    With its default and what it does: docs/configuration.md is this.
    """
    from smar.experiment.describe import configuration_page

    typer.echo(configuration_page(), nl=False)


def _tell(out: Path, summary: RunSummary) -> None:
    typer.echo(
        f"{out}: learnt from {summary.pairs:,} pairs, {summary.held_out_pairs:,} held out; "
        f"{summary.items:,} items, {summary.items_with_image:,} with a photo"
    )
    for what, counts in (("clicks", summary.left_out), ("photos", summary.photos_left_out)):
        if counts:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            typer.echo(f"{what} left out: {reasons}")
    for stage in summary.stages:
        best = "" if stage.best is None else f", best validation {stage.best:.4f}"
        typer.echo(f"{stage.stage}: {stage.steps:,} steps, {stage.seconds:.0f} s{best}")


def _engine(run: Path, engine: str | None) -> SearchEngine:
    """Without torch, if the run's query tower is compiled."""
    from smar.model.compiled import FOLDER
    from smar.retrieval.engine import SearchEngine
    from smar.retrieval.engines.milvus.address import MilvusAddress

    cluster = MilvusAddress.of(engine)
    if (run / FOLDER).is_dir():
        return SearchEngine.open(run, cluster=cluster)
    from smar.experiment.runs import open_run

    return open_run(run).engine(cluster)


def _hits(result: SearchResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("rank", "score"):
        table.add_column(heading, justify="right")
    table.add_column("title", max_width=_TITLE_WIDTH, no_wrap=True)
    table.add_column("brand")
    table.add_column("price", justify="right")
    table.add_column("department")
    for hit in result:
        item = hit.item
        price = "" if item.price is None else f"{item.price:,.2f}"
        words = (escape(text or "") for text in (item.title, item.brand, price, item.department))
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *words)
    return table
