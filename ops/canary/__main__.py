"""`python -m ops.canary`: `serveml canary serve` by itself, with what it takes and nothing of the other commands."""

from __future__ import annotations

import typer

from ops.commands.canary_serve import serve

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serve)
    app()
