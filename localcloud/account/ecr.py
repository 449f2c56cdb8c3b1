"""Image repositories, their policies, and the registry's replication."""

from __future__ import annotations

from localcloud.account.clients import Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.account.sts import account_id
from localcloud.recorder import Created, Registration


@creates("aws:ecr/repository:Repository")
def repository(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    values = {**inputs(r, "name", "forceDelete"), "repositoryName": name}
    made = send(clients.of("ecr", r), "create_repository", values)["repository"]
    outputs = {
        "name": name,
        "arn": made["repositoryArn"],
        "registryId": made["registryId"],
        "repositoryUrl": f"{made['registryId']}.dkr.ecr.{region_of(r)}.amazonaws.com/{name}",
    }
    return Created(name, outputs)


@creates("aws:ecr/lifecyclePolicy:LifecyclePolicy")
def lifecycle_policy(clients: Clients, r: Registration) -> Created:
    values = {"repositoryName": r.inputs["repository"], "lifecyclePolicyText": as_json(r.inputs["policy"])}
    made = send(clients.of("ecr", r), "put_lifecycle_policy", values)
    return Created(str(r.inputs["repository"]), {"registryId": made["registryId"]})


@creates("aws:ecr/repositoryPolicy:RepositoryPolicy")
def repository_policy(clients: Clients, r: Registration) -> Created:
    values = {"repositoryName": r.inputs["repository"], "policyText": as_json(r.inputs["policy"])}
    made = send(clients.of("ecr", r), "set_repository_policy", values)
    return Created(str(r.inputs["repository"]), {"registryId": made["registryId"]})


@creates("aws:ecr/replicationConfiguration:ReplicationConfiguration")
def replication(clients: Clients, r: Registration) -> Created:
    send(clients.of("ecr", r), "put_replication_configuration", inputs(r))
    return Created(account_id(clients), {"registryId": account_id(clients)})


@creates("aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration")
def scanning(clients: Clients, r: Registration) -> Created:
    send(clients.of("ecr", r), "put_registry_scanning_configuration", inputs(r))
    return Created(account_id(clients), {"registryId": account_id(clients)})


@creates("aws:ecr/registryPolicy:RegistryPolicy")
def registry_policy(clients: Clients, r: Registration) -> Created:
    send(clients.of("ecr", r), "put_registry_policy", {"policyText": as_json(r.inputs["policy"])})
    return Created(account_id(clients), {"registryId": account_id(clients)})
