"""`serveml model publish`: a model's file becomes a version in a bucket, with its record in the deployments table."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from contract.objects import InvalidName, Version, check_model_name
from contract.versions import InvalidVersionRecord, Kind
from ops.commands.conversion_options import (
    DEFAULT_TIMEOUT,
    DEFAULTS,
    ConvertMemoryOption,
    ConvertTimeoutOption,
    limits_of,
)
from ops.commands.publish_results import VersionPublished, published
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    Exit,
    JsonOption,
    YesOption,
    confirm,
    errors,
    fail,
    failures_shown,
    open_platform,
    operator,
    show,
)
from ops.commands.signing_options import KmsKeyOption, SignKeyIdOption, SignKeyOption, signer_of
from ops.models import description, places, registry
from ops.models.description import Ready, Said
from ops.models.parts import SourceRefused
from ops.models.publish import PublishRefused
from ops.models.publish import publish as upload_version
from ops.models.reading import CopyCorrupt
from ops.models.registry import VersionConflict, VersionTaken
from ops.models.upload import OnBytes
from ops.platform import Platform
from ops.signing import CannotSign, Signer
from serving.download import StoreUnreachable

_PROMOTED_ENVIRONMENTS = ("staging", "prod")
"""Where versions go to the staging bucket, and from there to production when they were approved."""

_REFUSALS = (
    PublishRefused,
    SourceRefused,
    CannotSign,
    InvalidName,
    VersionTaken,
    CopyCorrupt,
    InvalidVersionRecord,
)


@prints(VersionPublished)
def publish(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="An ONNX model, or a file of a library that is converted to one.")
    ],
    environment: EnvironmentOption,
    version: Annotated[str, typer.Option("--version", help="Which version it becomes, such as 1.2.0.")],
    to: Annotated[
        Kind | None,
        typer.Option(help="Which bucket. Without it: staging in staging and prod, production in local and dev."),
    ] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="A metadata.json that describes an ONNX model, in place of the options below.")
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(help="Rows to try the model on, as CSV, JSON or .npy. Never rows of real people.")
    ] = None,
    no_sample_in_metadata: Annotated[
        bool, typer.Option("--no-sample-in-metadata", help="Keep the sample's rows out of the metadata.")
    ] = False,
    framework: Annotated[
        str | None, typer.Option(help="Which library made the model, where it cannot be told.")
    ] = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Open a pickle, which runs the code that its writer put in.")
    ] = False,
    features: Annotated[
        list[str] | None, typer.Option("--feature", help="A column's name; say it for each, in their order.")
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metrics", help="A figure of its training, such as accuracy=0.97; repeatable.")
    ] = None,
    dataset_version: Annotated[str | None, typer.Option(help="Which data it was trained on.")] = None,
    git_sha: Annotated[
        str | None, typer.Option(help="Which commit made it. Without it: the one checked out where PATH lies.")
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", help="The same model in another precision, such as int8=FILE; repeatable."),
    ] = None,
    tolerances: Annotated[
        list[str] | None,
        typer.Option("--tolerance", help="How far a variant's answers may differ, such as int8=0.05; repeatable."),
    ] = None,
    convert_timeout: ConvertTimeoutOption = DEFAULT_TIMEOUT,
    convert_memory_mib: ConvertMemoryOption = DEFAULTS.memory_mib,
    sign_key: SignKeyOption = None,
    sign_key_id: SignKeyIdOption = None,
    kms_key: KmsKeyOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a version of a model: check it as the server will, upload it, sign it and register it."""
    with failures_shown(*_REFUSALS):
        check_model_name(name)
        number = Version.parse(version)
        platform = open_platform(environment)
        kind = to or (Kind.STAGING if environment in _PROMOTED_ENVIRONMENTS else Kind.PRODUCTION)
        if kind is Kind.PRODUCTION:
            confirm(environment, f"publishing {name} {number} past staging", yes=yes)
        files = {
            variant: Path(file)
            for variant, file in description.pairs(variants or (), "--variant", "int8=model.int8.onnx").items()
        }
        said = Said(
            framework=framework,
            sample=sample,
            sample_in_metadata=not no_sample_in_metadata,
            trust_pickle=trust_pickle,
            feature_names=None if features is None else tuple(features),
            dataset_version=dataset_version,
            git_sha=git_sha,
            metrics=description.numbers(metrics or (), "--metrics", "accuracy=0.97"),
            tolerances=description.numbers(tolerances or (), "--tolerance", "int8=0.05"),
        )
        limits = limits_of(convert_timeout, convert_memory_mib)
        with tempfile.TemporaryDirectory(prefix="serveml-publish-") as work:
            if metadata is None:
                ready = description.described(path, Path(work), name, number, said, files, limits)
            else:
                ready = description.documented(path, metadata, _contradicting(said))
            signer = signer_of(platform, sign_key, sign_key_id, kms_key)
            result = _publish(platform, kind, name, number, ready, files, signer, quiet=as_json)
    show(result, as_json, lambda: _sentence(result))


def _publish(
    platform: Platform,
    kind: Kind,
    name: str,
    version: Version,
    ready: Ready,
    variants: dict[str, Path],
    signer: Signer | None,
    *,
    quiet: bool,
) -> VersionPublished:
    place = places.staging(platform) if kind is Kind.STAGING else places.production(platform)[0]
    total = sum(file.stat().st_size for file in (ready.onnx, *variants.values()) if file.is_file())
    try:
        with _progress(total, quiet=quiet) as on_bytes:
            model = upload_version(
                place.s3,
                place.bucket,
                name,
                version,
                ready.onnx,
                ready.metadata,
                signer=signer,
                variants=variants,
                on_bytes=on_bytes,
            )
        record = registry.register(platform, model, operator())
    except (StoreUnreachable, VersionConflict) as error:
        fail(f"{error}: the same command again goes on from here", Exit.AWAY)
    except (BotoCoreError, ClientError, KeyboardInterrupt):
        errors.print("What was uploaded stays there: the same command again goes on from it.")
        raise
    return published(model, kind, record, ready.preparation)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Generator[OnBytes]:
    """A bar beside the standard output, where somebody watches."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal) as progress:
        task = progress.add_task("uploading", total=total)
        yield lambda count: progress.advance(task, count)


def _contradicting(said: Said) -> list[str]:
    """The options that say what a metadata document says too."""
    given = {
        "--framework": said.framework,
        "--sample": said.sample,
        "--no-sample-in-metadata": not said.sample_in_metadata,
        "--trust-pickle": said.trust_pickle,
        "--feature": said.feature_names,
        "--dataset-version": said.dataset_version,
        "--git-sha": said.git_sha,
        "--metrics": said.metrics,
        "--tolerance": said.tolerances,
    }
    return [option for option, value in given.items() if value]


def _sentence(result: VersionPublished) -> str:
    where = f"s3://{result.bucket}/{result.prefix}"
    if not result.created:
        return f"{result.name} {result.version} was published before, with the same bytes: {where}"
    resumed = result.total_bytes - result.sent_bytes
    lay_there = f", of which {decimal(resumed)} lay there already" if resumed else ""
    signed = f"signed by {result.signed_by}" if result.signed_by else "not signed"
    return f"{result.name} {result.version} is published, {decimal(result.total_bytes)}{lay_there}, {signed}: {where}"
