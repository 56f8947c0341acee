"""The command line: short commands over the public API. Knows paths and tables; decides nothing itself."""

from __future__ import annotations

import sys

import typer

from smar.cli import counting, models, service
from smar.cli.app import app
from smar.errors import SmarError

__all__ = ["app", "counting", "main", "models", "service"]


def main() -> None:
    """Run a command; what a user can put right is one line on standard error and exit code 2."""
    try:
        app(prog_name="smar")
    except SmarError as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}; check the path, its permissions and the free space")


def _fail(message: str) -> None:
    typer.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(2)
