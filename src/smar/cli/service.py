"""Commands around a running service: serve a run, draw keys, and online tests.

Imports of what takes long stand inside the commands.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from smar.cli.app import abtest, app
from smar.cli.options import Engine, RunFolder, ShopFolder, Split, show


@app.command()
def serve(
    run: RunFolder,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; 0.0.0.0 for every network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Limits, as TOML (docs/serving.md).")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--beside", metavar="RUN", help="A further run, to compare with; repeatable."),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the search page in a browser.")] = False,
    engine: Engine = None,
) -> None:
    """Answer searches over HTTP, until it is interrupted.

    Follows the run's index: what is published or rolled back meanwhile takes over without a failed request.
    """
    from smar.serving.server import serve as answer

    answer(run, host, port, config, beside=beside or (), open_page=open_page, engine=engine)


@app.command(name="make-key")
def make_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    write: Annotated[bool, typer.Option("--write", help="It may change items, not only search.")] = False,
) -> None:
    """Draw a key for clients of `smar serve`, and print what lets it in.

    The key is shown once and kept nowhere; add the lines after it to the file that the service's setting `keys` names.
    """
    from smar.serving.keys import new_key

    key, lines = new_key(name, "write" if write else "read")
    typer.echo(f"key: {key}\n\n{lines}", nl=False)


@abtest.command()
def report(
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="The TOML file of the test, as the service has it.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="When the test began (UTC); what users did before makes figures surer."),
    ] = None,
    planned_users: Annotated[
        int,
        typer.Option("--planned-users", min=2, help="For which number of users looking often costs least."),
    ] = 10_000,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Also write it as JSON.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="OUT", help="Also draw it, as PNG or SVG; of the first two arms."),
    ] = None,
) -> None:
    """Say what an online test comes to: money and orders per user, clicks, and whether the arms are sound."""
    from smar.experiment.online.plot import draw_report
    from smar.experiment.online.report import report as compare_arms
    from smar.experiment.online.users import Happenings
    from smar.files import write_text
    from smar.serving.online import OnlineTest

    told = OnlineTest.load(test)
    began = None if since is None else since.replace(tzinfo=since.tzinfo or UTC).timestamp()
    found = compare_arms(
        Happenings.read(told.log), {arm.name: arm.share for arm in told.arm}, began, planned_users
    )
    for one in found:
        show(one.table())
        typer.echo(f"users: {one.users[0]:,} and {one.users[1]:,}, sample ratio p {one.sample_ratio_p:.3f}")
        if one.is_suspicious:
            typer.echo(
                "the arms have other numbers of users than they should: believe nothing above before you know why"
            )
        if one.skipped:
            typer.echo(f"{one.skipped:,} lines of the log were cut off by a crash and are left out")
    if json_out is not None:
        write_text(json_out, json.dumps([one.to_json() for one in found], indent=2) + "\n")
    if plot is not None:
        draw_report(found[0], plot)


@abtest.command()
def simulate(
    shop: ShopFolder,
    address: Annotated[str, typer.Argument(metavar="URL", help="Where the service answers.")],
    key: Annotated[str, typer.Option("--key", envvar="SMAR_KEY", help="A key that may write.")],
    users: Annotated[int, typer.Option("--users", min=1, help="How many shoppers come.")] = 1000,
    split: Split = "dev",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Other shoppers for another seed.")] = 0,
) -> None:
    """Let simulated shoppers use a running service, to see a test work before real ones do.

    They search for what the shop's judged queries ask, and click and order what answers them.
    """
    from smar.data.shop import Shop
    from smar.experiment.online.shoppers import Service, send_shoppers

    opened = Shop.open(shop)
    send_shoppers(Service(address.rstrip("/"), key), opened.queries(split), opened.qrels(split), users, seed)
    typer.echo(f"{users:,} shoppers came; next: smar abtest report TEST")
