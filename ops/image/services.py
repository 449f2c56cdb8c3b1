"""The AWS services whose descriptions the image keeps."""

from __future__ import annotations

CALLED = frozenset({"dynamodb", "sns"})
"""The deployments table, and notices."""
SERVICES = CALLED | {"sso", "sso-oidc", "signin", "sts"}
"""With those that botocore calls for credentials, whichever way they come."""
