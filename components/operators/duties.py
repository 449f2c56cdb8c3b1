"""Which duties there are, and which commands of `serveml` belong to each: what the policies are made and tested for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Duty(StrEnum):
    """What somebody is there for. Who has several gets several policies, unless one of them refuses that."""

    PUBLISHER = "publisher"
    """Brings versions to the staging bucket and tries them there: data scientists, and the training pipeline."""
    APPROVER = "approver"
    """Stands up for versions, and brings what staging holds to production; writes no bytes of their own."""
    CUSTODIAN = "custodian"
    """Clears old versions away."""
    DEPLOYER = "deployer"
    """Decides which versions answer which share of the requests: on-call engineers, and the delivery pipeline."""
    KEY_ADMIN = "key-admin"
    """Issues, replaces and revokes API keys."""
    DATA_OFFICER = "data-officer"
    """Hands over and deletes what is held about a user."""
    AUDITOR = "auditor"
    """Sees versions, deployments, keys and audit logs, and changes nothing."""


class Approval(StrEnum):
    """Who has to approve a version before it may be given traffic."""

    NOT_NEEDED = "not needed"
    """Versions may be published straight to where pods read."""
    BY_ANYBODY = "by anybody"
    BY_ANOTHER = "by another than its publisher"


_APPROVALS = {"prod": Approval.BY_ANOTHER, "staging": Approval.BY_ANYBODY}


def approval_in(environment: str) -> Approval:
    """What the commands ask for in an environment."""
    return _APPROVALS.get(environment, Approval.NOT_NEEDED)


_LOOKING_AT_VERSIONS = (Duty.PUBLISHER, Duty.APPROVER, Duty.CUSTODIAN, Duty.AUDITOR)
_READING_VERSIONS = (Duty.PUBLISHER, Duty.APPROVER, Duty.AUDITOR)
_TRYING_VERSIONS = (Duty.PUBLISHER, Duty.APPROVER)
_LOOKING_AT_DEPLOYMENTS = (Duty.DEPLOYER, Duty.AUDITOR)

COMMANDS: Mapping[str, tuple[Duty, ...]] = {
    "model publish": (Duty.PUBLISHER,),
    "model list": _LOOKING_AT_VERSIONS,
    "model show": _LOOKING_AT_VERSIONS,
    "model diff": _READING_VERSIONS,
    "model pull": _READING_VERSIONS,
    "model verify": _TRYING_VERSIONS,
    "model smoke": _TRYING_VERSIONS,
    "model approve": (Duty.APPROVER,),
    "model promote": (Duty.APPROVER,),
    "model withdraw": (Duty.APPROVER,),
    "model gc": (Duty.CUSTODIAN,),
    "deployment create": (Duty.DEPLOYER,),
    "deployment set": (Duty.DEPLOYER,),
    "deployment list": _LOOKING_AT_DEPLOYMENTS,
    "deployment show": _LOOKING_AT_DEPLOYMENTS,
    "deployment history": _LOOKING_AT_DEPLOYMENTS,
    "canary start": (Duty.DEPLOYER,),
    "canary run": (Duty.DEPLOYER,),
    "canary status": _LOOKING_AT_DEPLOYMENTS,
    "canary promote": (Duty.DEPLOYER,),
    "canary abort": (Duty.DEPLOYER,),
    "rollback": (Duty.DEPLOYER,),
    "key create": (Duty.KEY_ADMIN,),
    "key list": (Duty.KEY_ADMIN, Duty.AUDITOR),
    "key rotate": (Duty.KEY_ADMIN,),
    "key revoke": (Duty.KEY_ADMIN,),
    "data export": (Duty.DATA_OFFICER,),
    "data delete": (Duty.DATA_OFFICER,),
}
"""By command, as it is called: whose duty it is."""

PODS_OWN = ("canary serve",)
"""Commands that pods run, with what the role of their service account allows."""

_ONE_RECORD = "it writes the version's record, which IAM cannot tell from what the duty itself writes there"

NOT_KEPT_APART: Mapping[tuple[str, Duty], str] = {
    ("model approve", Duty.PUBLISHER): _ONE_RECORD,
    ("model withdraw", Duty.PUBLISHER): _ONE_RECORD,
    ("model approve", Duty.CUSTODIAN): _ONE_RECORD,
    ("model withdraw", Duty.CUSTODIAN): _ONE_RECORD,
}
"""What IAM lets somebody do whose duty it is not, and why. Such a record brings no byte to production: see `policies`.
"""


def table() -> str:
    """As Markdown: a row for each command, a column for each duty."""
    lines = [
        f"| command | {' | '.join(Duty)} |",
        f"|---|{'---|' * len(Duty)}",
        *(f"| `serveml {command}` | {' | '.join(_cell(command, duty) for duty in Duty)} |" for command in COMMANDS),
    ]
    return "\n".join(lines) + "\n"


def _cell(command: str, duty: Duty) -> str:
    if duty in COMMANDS[command]:
        return "yes"
    return "(record)" if (command, duty) in NOT_KEPT_APART else ""
