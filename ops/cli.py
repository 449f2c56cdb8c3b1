"""`serveml`, the operators' command line."""

from __future__ import annotations

import typer

from ops.commands import canary, data, deployment, key, local, model, publish, rollback

app = typer.Typer(
    name="serveml", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
model.app.command("publish")(publish.publish)
app.add_typer(model.app, name="model")
app.add_typer(deployment.app, name="deployment")
app.add_typer(canary.app, name="canary")
app.command("rollback")(rollback.rollback)
app.add_typer(key.app, name="key")
app.add_typer(data.app, name="data")
app.add_typer(local.app, name="local")


@app.callback()
def root() -> None:
    """Operate ServeML."""


def main() -> None:
    app()
