"""The names that callers and Route 53 use, and the certificates that prove them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi

from components.base import Place
from components.failover.zone import Zone
from components.ingress.certificate import ValidatedCertificate, ValidatedCertificateArgs
from infra import regions
from infra.regions import GLOBAL_REGION
from infra.settings import Settings
from stacks.places import place_of


@dataclass(frozen=True)
class Domains:
    """The names under the settings' domain: the edge's, the origin's, and each region's own."""

    public: str

    @property
    def origin(self) -> str:
        return f"origin.{self.public}"

    def regional(self, region: str) -> str:
        return f"{regions.code(region)}.{self.origin}"


@dataclass(frozen=True)
class Certificates:
    """Issued certificates: by region for the load balancers, and the edge's. Empty where TLS is off."""

    regional: Mapping[str, pulumi.Output[str]]
    edge: pulumi.Output[str] | None


def build_certificates(settings: Settings, shared: Place, domains: Domains, zone: Zone) -> Certificates:
    """Each region's certificate covers the public name, which callers' requests carry, the origin's and its own.

    The primary region's publishes the records that prove the names they share.
    """
    if not settings.tls:
        return Certificates({}, None)
    common = [domains.public, domains.origin]

    def certificate(place: Place, what: str, names: list[str], proven_elsewhere: list[str]) -> pulumi.Output[str]:
        args = ValidatedCertificateArgs(
            place=place,
            domain_name=names[0],
            alternative_names=names[1:],
            zone_id=zone.zone_id,
            proven_elsewhere=proven_elsewhere,
        )
        return ValidatedCertificate(place.names.of(what), args).certificate_arn

    regional = {
        region: certificate(
            place_of(settings, region),
            "certificate",
            [*common, domains.regional(region)],
            proven_elsewhere=[] if region == settings.pair.primary else common,
        )
        for region in settings.regions
    }
    if not settings.edge.enabled:
        return Certificates(regional, None)
    at_the_edge = replace(shared, region=GLOBAL_REGION)
    return Certificates(regional, certificate(at_the_edge, "edge-certificate", [domains.public], common))
