"""Names of resources: one scheme, checked against AWS's limits before anything is made.

A name reads `<project>-<environment>-<region code>-<what>`; global resources leave the region out.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra import regions
from infra.errors import InvalidInput

# The shortest limits among the resources we name (AWS service documentation, "Naming" of each).
LOAD_BALANCER_MAX = 32
BUCKET_MAX = 63
ROLE_MAX = 64
ACCOUNT_ID_LENGTH = 12
AUTONAME_SUFFIX_LENGTH = 8
"""What Pulumi adds to a logical name to make a physical one: a hyphen and seven hexadecimal digits."""


class NameTooLong(InvalidInput):
    """A name over AWS's limit; the message says which, by how much, and what to shorten."""


def bounded(name: str, limit: int, what: str) -> str:
    """Return `name` if it has at most `limit` characters; raise NameTooLong otherwise."""
    if len(name) > limit:
        raise NameTooLong(
            f"the name {name!r} of the {what} has {len(name)} characters, AWS allows {limit}: shorten `project`"
        )
    return name


@dataclass(frozen=True)
class Names:
    """The name prefix of one place: an environment in one region, or the environment's global part."""

    project: str
    environment: str
    region: str | None = None

    @property
    def prefix(self) -> str:
        """`serveml-prod-use1`, or `serveml-prod` for global resources."""
        parts = [self.project, self.environment]
        if self.region is not None:
            parts.append(regions.code(self.region))
        return "-".join(parts)

    def of(self, *parts: str) -> str:
        """A logical or physical name: the prefix and the parts, joined by hyphens."""
        return "-".join([self.prefix, *parts])

    def role(self, *parts: str) -> str:
        """A name for an IAM role: IAM is global, so it carries the region code as any other name does."""
        return bounded(self.of(*parts), ROLE_MAX, "IAM role")

    def load_balancer(self) -> str:
        return bounded(self.prefix, LOAD_BALANCER_MAX, "load balancer")

    def bucket(self, kind: str, account_id: str) -> str:
        """A globally unique bucket name: it carries the account, since bucket names are shared by all of AWS."""
        return bounded(self.of(kind, account_id), BUCKET_MAX, f"{kind} bucket")
