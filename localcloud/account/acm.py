"""Certificates, and the wait for their validation."""

from __future__ import annotations

from localcloud.account.clients import Clients
from localcloud.account.registry import creates
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:acm/certificate:Certificate")
def certificate(clients: Clients, r: Registration) -> Created:
    acm = clients.of("acm", r)
    values = inputs(r, "earlyRenewalDuration", "validationOptions")
    if r.inputs.get("validationOptions"):
        values["domainValidationOptions"] = r.inputs["validationOptions"]
    arn = send(acm, "request_certificate", values)["CertificateArn"]
    made = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    records = [(option["DomainName"], option["ResourceRecord"]) for option in made["DomainValidationOptions"]]
    return Created(
        arn,
        {
            "arn": arn,
            "status": made["Status"],
            "domainValidationOptions": [
                {
                    "domainName": domain,
                    "resourceRecordName": record["Name"],
                    "resourceRecordType": record["Type"],
                    "resourceRecordValue": record["Value"],
                }
                for domain, record in records
            ],
        },
    )


@creates("aws:acm/certificateValidation:CertificateValidation")
def validation(clients: Clients, r: Registration) -> Created:
    """Nothing is made in AWS: the provider waits until ACM has seen the records. Here ACM must know the certificate."""
    made = clients.of("acm", r).describe_certificate(CertificateArn=r.inputs["certificateArn"])["Certificate"]
    return Created(made["CertificateArn"], {})
