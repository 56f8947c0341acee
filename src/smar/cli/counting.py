"""The command that counts a log of events, on this machine or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smar.cli.app import app
from smar.cli.options import Ray
from smar.errors import ConfigError

if TYPE_CHECKING:
    from smar.data.clicks import ClickLog


@app.command()
def count(
    events: Annotated[
        str, typer.Argument(metavar="EVENTS", help="A table of events, or a folder of its Parquet files.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The clicks table to write, a .parquet file.")],
    shop: Annotated[Path, typer.Option("--shop", metavar="SHOP", help="The shop whose items were clicked.")],
    ray: Ray = None,
) -> None:
    """Count a log of events by query and item, as a clicks table that a shop can have instead."""
    from smar.data.clicks import ClickConfig
    from smar.data.events import read_events, write_clicks
    from smar.data.shop import Shop

    if not out.endswith(".parquet"):
        raise ConfigError(f"{out}: is not the name of a .parquet file; the table is written as one")
    if ray is not None:
        log = _on_cluster(events, out, shop, ray)
    else:
        for place in (events, out):
            if "://" in place:
                raise ConfigError(f"{place}: is no file; only a cluster (--ray) reads and writes stores")
        log = read_events(Path(events), Shop.open(shop).catalog, ClickConfig(leave_out_judged=False))
        write_clicks(log, Path(out))
    _tell(out, log)


def _on_cluster(events: str, out: str, shop: Path, address: str) -> ClickLog:
    from smar.data.clicks import ClickConfig
    from smar.data.events import clicks_table, write_clicks
    from smar.data.shop import Shop
    from smar.experiment.ray.connect import check_cluster
    from smar.experiment.ray.counting import count_on_cluster
    from smar.experiment.ray.places import Place, is_in_store

    check_cluster(address)
    store = Place.of(out) if is_in_store(out) else None
    if store is not None:
        store.check_bucket()
    catalog, config = Shop.open(shop).catalog, ClickConfig(leave_out_judged=False)
    log = count_on_cluster(Place.of(events), catalog, config, address)
    if store is None:
        write_clicks(log, Path(out))
    else:
        store.write(clicks_table(log))
    return log


def _tell(out: str, log: ClickLog) -> None:
    queries = log.table["query"].n_unique()
    typer.echo(f"{out}: {len(log):,} pairs of {queries:,} queries, from {log.events:,} events")
    if log.left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in log.left_out.items())
        typer.echo(f"events left out: {reasons}")
