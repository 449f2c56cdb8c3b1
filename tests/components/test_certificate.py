"""A certificate proven by DNS: which domains it covers, and when it is handed on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.ingress.certificate import (
    InvalidDomain,
    ValidatedCertificate,
    ValidatedCertificateArgs,
    certificate_domains,
    proven_domains,
)
from localcloud.graph import Graph
from tests.support.components import graph_of, place

REGION = "eu-west-1"


def certificate(*, preview: bool = False, **changes: Any) -> Graph:
    args = ValidatedCertificateArgs(
        place=place(REGION),
        domain_name="api.example.com",
        alternative_names=["*.api.example.com", "api.example.org"],
        zone_id="Z1",
    )
    return graph_of(lambda: ValidatedCertificate("certificate", replace(args, **changes)), preview=preview)


def test_a_certificate_is_proven_by_dns_and_handed_on_only_once_issued() -> None:
    graph = certificate()
    made = graph.one("aws:acm/certificate:Certificate")
    assert made.inputs["validationMethod"] == "DNS"
    assert made.inputs["domainName"] == "api.example.com"
    assert made.inputs["subjectAlternativeNames"] == ["*.api.example.com", "api.example.org"]
    assert made.region == REGION
    issued = graph.one("CertificateValidation")
    assert issued.region == REGION
    records = graph.of_type("aws:route53/record:Record")
    assert set(issued.property_dependencies["validationRecordFqdns"]) >= {record.urn for record in records}
    component = graph.one("serveml:ingress:ValidatedCertificate")
    assert component.registered_outputs == {"certificate_arn": made.outputs["arn"]}


def test_each_distinct_domain_has_one_record_which_a_wildcard_shares() -> None:
    records = certificate().of_type("aws:route53/record:Record")
    proven = sorted(record.inputs["name"].split(".", 1)[1] for record in records)
    assert proven == ["api.example.com.", "api.example.org."]
    for record in records:
        assert record.inputs["type"] == "CNAME"
        assert record.inputs["records"][0].endswith(".acm-validations.aws.")
        assert record.inputs["zoneId"] == "Z1"
        assert record.inputs["allowOverwrite"] is True
        assert "region" not in record.inputs


def test_the_number_of_records_is_known_in_a_preview() -> None:
    assert set(certificate(preview=True).by_urn()) == set(certificate().by_urn())


def test_a_record_that_another_certificate_owns_is_waited_for_and_not_published() -> None:
    graph = certificate(proven_elsewhere=["api.example.com"])
    (record,) = graph.of_type("aws:route53/record:Record")
    assert record.inputs["name"].endswith(".api.example.org.")
    assert "validationRecordFqdns" not in graph.one("CertificateValidation").inputs


def test_domains_are_compared_without_case_and_named_once() -> None:
    assert certificate_domains("API.example.com", ["api.example.com.", "*.api.example.com"]) == [
        "api.example.com",
        "*.api.example.com",
    ]
    assert proven_domains(["*.example.com", "a.example.com", "example.com"]) == ["example.com", "a.example.com"]


@pytest.mark.parametrize("domain", ["example", "api.*.example.com", "*", "a*.example.com"])
def test_a_domain_that_no_certificate_covers_is_refused(domain: str) -> None:
    with pytest.raises(InvalidDomain, match="cannot be certified: give a full name"):
        certificate_domains(domain, [])


def test_a_common_name_over_64_characters_is_refused_with_the_way_round_it() -> None:
    long = "x" * 60 + ".example.com"
    with pytest.raises(InvalidDomain, match="put a shorter one first"):
        certificate_domains(long, [])
    assert certificate_domains("example.com", [long]) == ["example.com", long]
