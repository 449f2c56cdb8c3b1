"""What a version must have behind it before it is approved, promoted, and given traffic.

On a laptop and in development it is enough that it is published. Everywhere else it takes evidence: its bytes were
verified, its sample answered, and somebody approved it, who in production is not who published it.
"""

from __future__ import annotations

from collections.abc import Sequence

from contract.versions import Kind, VersionRecord

_WITHOUT_EVIDENCE = ("local", "dev")
_FOUR_EYES = ("prod",)


class NotPromotable(ValueError):
    """The version lacks something; the message says what, and which command brings it."""


def needs_evidence(environment: str) -> bool:
    return environment not in _WITHOUT_EVIDENCE


def needs_four_eyes(environment: str) -> bool:
    """Whether nobody may approve what they published, whatever they say."""
    return environment in _FOUR_EYES


def lacking_for_approval(record: VersionRecord, home_region: str) -> list[str]:
    """What an approver would not know yet: the same in every environment."""
    named = f"{record.model} {record.version}"
    lacking = _withdrawn(record)
    if not any(record.verified_in(kind, home_region) for kind in Kind):
        lacking.append(f"its bytes in {home_region} were not verified (`serveml model verify {named}`)")
    if record.smoke is None or not record.smoke.passed:
        how = "has not answered its sample" if record.smoke is None else f"failed its sample: {record.smoke.reason}"
        lacking.append(f"it {how} (`serveml model smoke {named}`)")
    return lacking


def lacking_for_promotion(record: VersionRecord, environment: str, home_region: str) -> list[str]:
    """What keeps it in the staging bucket."""
    if not needs_evidence(environment):
        return _withdrawn(record)
    return [*lacking_for_approval(record, home_region), *_unapproved(record, environment)]


def lacking_for_traffic(record: VersionRecord, environment: str, regions: Sequence[str]) -> list[str]:
    """What keeps it from users: every region's production bucket must hold it, so that losing one loses no version."""
    if not needs_evidence(environment):
        return _withdrawn(record)
    lacking = lacking_for_promotion(record, environment, regions[0])
    unheld = [region for region in regions if record.verified_in(Kind.PRODUCTION, region) is None]
    if unheld:
        lacking.append(
            f"its bytes in production were not verified in {', '.join(unheld)} "
            f"(`serveml model promote {record.model} {record.version}`)"
        )
    return lacking


def approved_by_another(record: VersionRecord) -> bool:
    return any(approval.by != record.published_by for approval in record.approvals)


def _unapproved(record: VersionRecord, environment: str) -> list[str]:
    command = f"(`serveml model approve {record.model} {record.version}`)"
    if not record.approvals:
        return [f"nobody has approved it {command}"]
    if needs_four_eyes(environment) and not approved_by_another(record):
        return [f"nobody but {record.published_by}, who published it, has approved it {command}"]
    return []


def _withdrawn(record: VersionRecord) -> list[str]:
    if record.withdrawn is None:
        return []
    return [f"{record.withdrawn.by} withdrew it ({record.withdrawn.reason}): publish a new version"]
