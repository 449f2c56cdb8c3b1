"""Secrets of the cluster that follow Secrets Manager, as a component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.observability import names, secret_kinds, secrets_operator
from components.observability.errors import InvalidObservability
from components.observability.secrets_operator import Copy
from components.secrets.secrets import GRAFANA_ADMIN, ML_CREDENTIALS, PASSWORD_FIELD, secret_name
from components.workload import labels
from components.workload.labels import Manifest
from infra.naming import Names


def serving_copy(place_names: Names) -> Copy:
    """`ml-credentials` for the serving pods, with every field that operators put in."""
    return Copy(
        controller="serving-secrets",
        namespace=labels.SERVING_NAMESPACE,
        secret=ML_CREDENTIALS,
        source=secret_name(place_names, ML_CREDENTIALS),
    )


def grafana_copy(place_names: Names) -> Copy:
    """`grafana-admin` for Grafana: its key is `password`."""
    return Copy(
        controller="grafana-secrets",
        namespace=names.NAMESPACE,
        secret=GRAFANA_ADMIN,
        source=secret_name(place_names, GRAFANA_ADMIN),
        fields=(PASSWORD_FIELD,),
    )


@dataclass(frozen=True, kw_only=True)
class SynchronisedSecretsArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces, the secrets in Secrets Manager with a first value, and for each copy the
    Pod Identity association of `monitoring` and its controller, without which that starts without credentials."""
    copies: Sequence[Copy]


class SynchronisedSecrets(Component, area="observability"):
    """External Secrets, and what it copies.

    Children: the definitions of its kinds, its Service; for each copy ServiceAccount, Role and RoleBinding, Deployment,
    SecretStore and ExternalSecret.
    """

    secrets: pulumi.Output[list[str]]
    """The Secrets that are kept, each as `namespace/name`."""

    def __init__(self, name: str, args: SynchronisedSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        _check(args.copies)
        definitions = [self._apply(definition) for definition in secret_kinds.definitions()]
        for manifest in secrets_operator.shared_manifests():
            self._apply(manifest)
        for copy in args.copies:
            # The controller stands before what it is to copy; and last it goes, for only it takes its finalizer off.
            made: list[pulumi.Resource] = list(definitions)
            for manifest in (
                *secrets_operator.controller_manifests(copy),
                *secrets_operator.resources(copy, self.region),
            ):
                made.append(self._apply(manifest, after=made))
        kept = [f"{copy.namespace}/{copy.secret}" for copy in args.copies]
        self.secrets = pulumi.Output.from_input(kept)
        self.finish()

    def _apply(self, manifest: Manifest, *, after: Sequence[pulumi.Resource] = ()) -> pulumi.CustomResource:
        metadata = manifest["metadata"]
        parts = [*([metadata["namespace"]] if "namespace" in metadata else []), metadata["name"]]
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(*parts, str(manifest["kind"]).lower()), manifest, options)


def _check(copies: Sequence[Copy]) -> None:
    for what, given in (
        ("controller", [copy.controller for copy in copies]),
        ("namespace", [copy.namespace for copy in copies]),
    ):
        if twice := sorted({value for value in given if given.count(value) > 1}):
            raise InvalidObservability(
                f"two copies of secrets share the {what} {', '.join(twice)}: each has a {what} of its own"
            )
