"""How the provider's inputs become AWS's arguments. No server is asked."""

from __future__ import annotations

import string

import pytest

from localcloud.account.clients import Clients
from localcloud.account.elb import ACTION_NAMES, header_attribute
from localcloud.account.randomness import characters
from localcloud.account.route53 import full_name
from localcloud.account.security_groups import permission
from localcloud.account.shapes import Untranslated, arguments

CLIENTS = Clients("http://127.0.0.1:9")


def test_names_match_without_regard_to_case_and_plural() -> None:
    route53 = CLIENTS.at("route53", "us-east-1")
    values = {
        "callerReference": "a",
        "healthCheckConfig": {"type": "HTTPS", "enableSni": True, "ipAddress": "10.0.0.1"},
    }
    config = arguments(route53, "create_health_check", values)["HealthCheckConfig"]
    assert config == {"Type": "HTTPS", "EnableSNI": True, "IPAddress": "10.0.0.1"}


def test_maps_of_tags_become_lists_of_pairs_in_the_services_own_words() -> None:
    kms, elb = CLIENTS.at("kms", "eu-west-1"), CLIENTS.at("elbv2", "eu-west-1")
    tags = {"Environment": "dev"}
    assert arguments(kms, "create_key", {"tags": tags}) == {"Tags": [{"TagKey": "Environment", "TagValue": "dev"}]}
    assert arguments(elb, "create_load_balancer", {"tags": tags}) == {"Tags": [{"Key": "Environment", "Value": "dev"}]}


def test_lists_of_cloudfront_carry_their_count() -> None:
    cloudfront = CLIENTS.at("cloudfront", "us-east-1")
    values = {"distributionConfig": {"aliases": ["a.example.com", "b.example.com"]}}
    converted = arguments(cloudfront, "create_distribution", values)["DistributionConfig"]
    assert converted["Aliases"] == {"Quantity": 2, "Items": ["a.example.com", "b.example.com"]}


def test_single_blocks_and_lists_of_one_fit_each_other() -> None:
    wafv2 = CLIENTS.at("wafv2", "eu-west-1")
    rule = {"name": "r", "priority": 0, "statement": [{"geoMatchStatement": {"countryCodes": ["AQ"]}}]}
    converted = arguments(wafv2, "create_web_acl", {"rules": rule})["Rules"]
    assert converted == [{"Name": "r", "Priority": 0, "Statement": {"GeoMatchStatement": {"CountryCodes": ["AQ"]}}}]


def test_empty_object_is_kept_because_it_means_something() -> None:
    wafv2 = CLIENTS.at("wafv2", "eu-west-1")
    assert arguments(wafv2, "create_web_acl", {"defaultAction": {"allow": {}}}) == {"DefaultAction": {"Allow": {}}}


def test_empty_list_is_left_out_where_aws_wants_one_or_more() -> None:
    acm = CLIENTS.at("acm", "eu-west-1")
    values = {"domainName": "example.com", "subjectAlternativeNames": []}
    assert arguments(acm, "request_certificate", values) == {"DomainName": "example.com"}


def test_given_names_apply_at_any_depth() -> None:
    elb = CLIENTS.at("elbv2", "eu-west-1")
    action = {"type": "forward", "forward": {"targetGroups": [{"arn": "arn:x", "weight": 10}]}}
    (converted,) = arguments(elb, "create_listener", {"defaultActions": [action]}, ACTION_NAMES)["DefaultActions"]
    assert converted["ForwardConfig"] == {"TargetGroups": [{"TargetGroupArn": "arn:x", "Weight": 10}]}


def test_input_without_a_place_is_an_error_that_lists_the_places() -> None:
    kms = CLIENTS.at("kms", "eu-west-1")
    with pytest.raises(Untranslated, match=r"CreateKey has no member for the input 'colour': AWS takes .*Description"):
        arguments(kms, "create_key", {"colour": "red"})


def test_clients_are_shared() -> None:
    assert CLIENTS.at("kms", "eu-west-1") is CLIENTS.at("kms", "eu-west-1")
    assert CLIENTS.at("kms", "eu-west-1") is not CLIENTS.at("kms", "eu-central-1")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"cidrIpv4": "10.0.0.0/16"}, {"ipRanges": [{"cidrIp": "10.0.0.0/16"}]}),
        ({"prefixListId": "pl-1"}, {"prefixListIds": [{"prefixListId": "pl-1"}]}),
        ({"referencedSecurityGroupId": "sg-1"}, {"userIdGroupPairs": [{"groupId": "sg-1"}]}),
    ],
)
def test_rule_becomes_a_permission_with_one_peer(peer: dict[str, str], expected: dict[str, object]) -> None:
    rule = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, **peer}
    assert permission(rule) == {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, **expected}


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        ("routingHttpResponseServerEnabled", "routing.http.response.server.enabled"),
        (
            "routingHttpResponseStrictTransportSecurityHeaderValue",
            "routing.http.response.strict_transport_security.header_value",
        ),
        ("routingHttpRequestXAmznTlsVersionHeaderName", "routing.http.request.x_amzn_tls_version.header_name"),
    ],
)
def test_headers_of_a_listener_become_its_attributes(key: str, attribute: str) -> None:
    assert header_attribute(key) == attribute


@pytest.mark.parametrize("name", ["origin", "origin.example.com", "origin.example.com."])
def test_record_gets_its_zones_name_once(name: str) -> None:
    assert full_name(name, "example.com") == "origin.example.com"


def test_record_at_the_top_of_its_zone() -> None:
    assert full_name("example.com", "example.com") == full_name("", "example.com") == "example.com"


def test_password_has_the_asked_length_and_classes() -> None:
    password = characters({"length": 24, "special": False, "minNumeric": 3, "minUpper": 2})
    assert len(password) == 24
    assert not set(password) & set(string.punctuation)
    assert sum(letter in string.digits for letter in password) >= 3
    assert characters({"length": 24}) != characters({"length": 24})
