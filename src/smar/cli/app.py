"""The command line's own program, to which other modules add their commands."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="smar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

abtest = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Online tests of `smar serve`.")
app.add_typer(abtest, name="abtest")


def _show_version(wanted: bool) -> None:
    if wanted:
        import smar

        typer.echo(f"smar {smar.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Text queries meet text-and-image products: train, index, search and judge SMAR."""
