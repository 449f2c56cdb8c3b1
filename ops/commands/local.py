"""`serveml local`: the platform on this machine. What provisions it takes seconds to import."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

LOCAL_STACK_PORT = 5055
"""Where Pulumi.local.yaml looks for the account."""

app = typer.Typer(no_args_is_help=True, help="The platform on this machine, without an AWS account.")


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    canaries: Annotated[bool, typer.Option(help="Try further versions on users, which takes a minute.")] = True,
) -> None:
    """Provision the local stack, publish and serve a model, check its predictions, and try more versions on users."""
    _provisioning().demo(keep=keep, as_json=as_json, canaries=canaries)


@app.command()
def up() -> None:
    """Provision the local stack and leave it running until Ctrl-C, for `serveml --env local` in another terminal."""
    _provisioning().up()


@app.command()
def moto(
    port: Annotated[int, typer.Option(help="Port on the loopback interface.")] = LOCAL_STACK_PORT,
) -> None:
    """Run an empty AWS account for `pulumi up --stack local`, until Ctrl-C."""
    _provisioning().moto(port)


def _provisioning() -> Any:
    return importlib.import_module("ops.local")
