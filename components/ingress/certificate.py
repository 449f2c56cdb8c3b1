"""A certificate that is only handed on once its domains are proven. The DNS zone belongs to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from infra.errors import InvalidInput

COMMON_NAME_MAX = 64
"""Longest first domain of a certificate (ACM API reference, RequestCertificate, DomainName)."""

WILDCARD = "*."
_RECORD_TTL_SECONDS = 300


class InvalidDomain(InvalidInput):
    """A domain that no certificate can be issued for; the message says what is allowed."""


def certificate_domains(domain_name: str, alternative_names: Sequence[str]) -> list[str]:
    """The certificate's distinct domains, lower-case, the common name first."""
    domains = list(dict.fromkeys(name.lower().rstrip(".") for name in [domain_name, *alternative_names]))
    if len(domains[0]) > COMMON_NAME_MAX:
        raise InvalidDomain(
            f"the domain {domains[0]!r} has {len(domains[0])} characters, a certificate's first domain at most"
            f" {COMMON_NAME_MAX}: put a shorter one first and this one among the alternative names"
        )
    for domain in domains:
        if "*" in domain.removeprefix(WILDCARD) or "." not in domain.removeprefix(WILDCARD):
            raise InvalidDomain(
                f"the domain {domain!r} cannot be certified: give a full name such as api.example.com,"
                " or one with a wildcard for the whole first label such as *.example.com"
            )
    return domains


def proven_domains(domains: Sequence[str]) -> list[str]:
    """The domains that need a validation record each: a wildcard is proven by the record of the domain below it."""
    return list(dict.fromkeys(domain.removeprefix(WILDCARD) for domain in domains))


@dataclass(frozen=True, kw_only=True)
class ValidatedCertificateArgs:
    place: Place
    domain_name: str
    """The common name."""
    alternative_names: Sequence[str]
    """Further domains; `*.example.com` for every name one level down."""
    zone_id: pulumi.Input[str]
    """The public Route 53 zone that holds all the domains."""
    proven_elsewhere: Sequence[str] = ()
    """Domains whose record another certificate of this account publishes: ACM asks for the same record in every
    region, and a record has one owner, or the first region to go would take the other's renewal with it."""


class ValidatedCertificate(Component, area="ingress"):
    """A certificate of ACM, in the place's region.

    Children: the certificate; a DNS record for each domain that is not proven elsewhere; the wait until ACM has issued
    it.
    """

    certificate_arn: pulumi.Output[str]
    """Known only once the certificate is issued."""

    def __init__(self, name: str, args: ValidatedCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        domains = certificate_domains(args.domain_name, args.alternative_names)
        certificate = aws.acm.Certificate(
            self.child_name("certificate"),
            domain_name=domains[0],
            subject_alternative_names=domains[1:],
            validation_method="DNS",
            # Every client and health checker takes RSA; elliptic curves save too little here to ask.
            key_algorithm="RSA_2048",
            region=self.region,
            tags=self.tagged(domains[0]),
            opts=self.child(),
        )
        to_prove = proven_domains(domains)
        own = [domain for domain in to_prove if domain not in args.proven_elsewhere]
        records = [self._record(certificate, domain, args.zone_id) for domain in own]
        issued = aws.acm.CertificateValidation(
            self.child_name("issued"),
            certificate_arn=certificate.arn,
            # The provider insists on all the records once it is given some, and waits for ACM in either case.
            validation_record_fqdns=[record.fqdn for record in records] if own == to_prove else None,
            region=self.region,
            opts=self.child(),
        )
        self.certificate_arn = issued.certificate_arn
        self.finish()

    def _record(self, certificate: aws.acm.Certificate, domain: str, zone_id: pulumi.Input[str]) -> aws.route53.Record:
        """The record that proves `domain`; its values come from ACM, that there is one from the list of domains."""
        proof = certificate.domain_validation_options.apply(lambda options: _proof_of(domain, options))
        return aws.route53.Record(
            self.child_name("proof", domain.replace(".", "-")),
            zone_id=zone_id,
            name=proof.apply(lambda found: found[0]),
            type=proof.apply(lambda found: found[1]),
            records=[proof.apply(lambda found: found[2])],
            ttl=_RECORD_TTL_SECONDS,
            # ACM asks for the same record whenever this account proves this domain: a replaced certificate finds it.
            allow_overwrite=True,
            opts=self.child(),
        )


def _proof_of(
    domain: str, options: Sequence[aws.acm.outputs.CertificateDomainValidationOption]
) -> tuple[str, str, str]:
    """Name, type and value of the record that ACM asks for to prove `domain`."""
    for option in options:
        name, kind, value = option.resource_record_name, option.resource_record_type, option.resource_record_value
        if (option.domain_name or "").removeprefix(WILDCARD) == domain and name and kind and value:
            return name, kind, value
    raise InvalidDomain(
        f"ACM asks for no record for {domain!r}, only for {[option.domain_name for option in options]}:"
        " check that the certificate's domains are spelled as in the settings"
    )
