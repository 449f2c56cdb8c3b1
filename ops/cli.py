"""`serveml`, the operators' command line."""

from __future__ import annotations

import typer

from ops import local

app = typer.Typer(
    name="serveml", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
app.add_typer(local.app, name="local")


@app.callback()
def root() -> None:
    """Operate ServeML."""


def main() -> None:
    app()
