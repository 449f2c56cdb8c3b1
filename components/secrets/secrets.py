"""One region's secrets: what operators put in for the serving pods, and Grafana's password."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.base import Component, Place
from infra.errors import InvalidInput
from infra.naming import Names

ML_CREDENTIALS = "ml-credentials"
"""A JSON object whose fields become the keys of a Secret in the serving namespace. It begins empty."""
GRAFANA_ADMIN = "grafana-admin"
"""A JSON object with the one field `password`."""
PASSWORD_FIELD = "password"

# AWS Secrets Manager API Reference, DeleteSecret, RecoveryWindowInDays; 0 deletes at once.
_SHORTEST_RECOVERY_DAYS = 7
_LONGEST_RECOVERY_DAYS = 30
_PASSWORD_LENGTH = 32

# A version without any label is deprecated, and Secrets Manager may delete it (API Reference, DescribeSecret,
# VersionIdsToStages). Once operators have put in two values of their own, that would befall the program's one: gone
# from AWS, the next update would make it again, and it would be in force. A label of its own keeps it.
_STAGES = ["AWSCURRENT", "initial"]


class InvalidRecoveryWindow(InvalidInput):
    """A time to bring back a deleted secret that AWS does not offer."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    place: Place
    key_arn: pulumi.Input[str]
    """Encrypts the secrets."""
    recovery_window_days: int
    """How long a deleted secret can be brought back, its name being taken: 7 to 30 days, or 0 for not at all."""


class Secrets(Component, area="secrets"):
    """`ml-credentials` and `grafana-admin`, one of each in every region: a region that is away takes no other with it.

    Children: the two secrets, guarded, each with a first version; the random password.
    """

    ml_credentials_arn: pulumi.Output[str]
    ml_credentials_name: pulumi.Output[str]
    grafana_admin_arn: pulumi.Output[str]
    grafana_admin_name: pulumi.Output[str]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_recovery_window(args.recovery_window_days)
        super().__init__(name, args.place, opts)
        self._args = args
        credentials = self._secret(ML_CREDENTIALS, "What models' pods are given; put in by operators")
        # Present from the start, so that whoever reads it finds a value, if an empty one. What it holds from then on is
        # the operators' affair, and neither seen nor set here.
        self._first_version(ML_CREDENTIALS, credentials, "{}", ignore_changes=["secretString", "versionStages"])
        grafana = self._secret(GRAFANA_ADMIN, "Password of Grafana's user admin")
        password = random.RandomPassword(
            self.child_name(GRAFANA_ADMIN, "password"), length=_PASSWORD_LENGTH, special=False, opts=self.child()
        )
        value = pulumi.Output.json_dumps({PASSWORD_FIELD: password.result})
        self._first_version(GRAFANA_ADMIN, grafana, value, ignore_changes=["versionStages"])
        self.ml_credentials_arn, self.ml_credentials_name = credentials.arn, credentials.name
        self.grafana_admin_arn, self.grafana_admin_name = grafana.arn, grafana.name
        self.finish()

    def _secret(self, what: str, description: str) -> aws.secretsmanager.Secret:
        name = secret_name(self.place.names, what)
        return aws.secretsmanager.Secret(
            self.child_name(what),
            name=name,
            description=description,
            kms_key_id=self._args.key_arn,
            recovery_window_in_days=self._args.recovery_window_days,
            region=self.region,
            tags=self.tagged(name),
            opts=self.child(guarded=True),
        )

    def _first_version(
        self, what: str, secret: aws.secretsmanager.Secret, value: pulumi.Input[str], *, ignore_changes: list[str]
    ) -> None:
        aws.secretsmanager.SecretVersion(
            self.child_name(what, "initial"),
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(value),
            version_stages=_STAGES,
            region=self.region,
            opts=self.child(ignore_changes=ignore_changes),
        )


def secret_name(names: Names, what: str) -> str:
    """`serveml-prod-use1/ml-credentials`: how operators and pods name a secret of a region."""
    return f"{names.prefix}/{what}"


def check_recovery_window(days: int) -> None:
    """InvalidRecoveryWindow unless AWS offers it."""
    if days != 0 and not _SHORTEST_RECOVERY_DAYS <= days <= _LONGEST_RECOVERY_DAYS:
        raise InvalidRecoveryWindow(
            f"{days} days is no recovery window for a secret: choose {_SHORTEST_RECOVERY_DAYS} to "
            f"{_LONGEST_RECOVERY_DAYS}, or 0 to delete secrets at once"
        )
