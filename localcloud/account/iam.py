"""Roles, policies, and the identity providers that may take a role."""

from __future__ import annotations

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:iam/role:Role")
def role(clients: Clients, r: Registration) -> Created:
    iam, name = clients.of("iam", r), physical_name(r)
    values = {
        **inputs(r, "name", "assumeRolePolicy", "inlinePolicies", "managedPolicyArns", "forceDetachPolicies"),
        "roleName": name,
        "assumeRolePolicyDocument": as_json(r.inputs["assumeRolePolicy"]),
    }
    made = send(iam, "create_role", values)["Role"]
    for policy in r.inputs.get("inlinePolicies", []):
        document = {"policyName": policy["name"], "policyDocument": as_json(policy["policy"])}
        send(iam, "put_role_policy", {"roleName": name, **document})
    for arn in r.inputs.get("managedPolicyArns", []):
        send(iam, "attach_role_policy", {"roleName": name, "policyArn": arn})
    outputs = {"name": name, "arn": made["Arn"], "uniqueId": made["RoleId"], "path": made["Path"]}
    return Created(name, outputs)


@creates("aws:iam/rolePolicy:RolePolicy")
def role_policy(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    values = {
        "roleName": r.inputs["role"],
        "policyName": name,
        "policyDocument": as_json(r.inputs["policy"]),
    }
    send(clients.of("iam", r), "put_role_policy", values)
    return Created(f"{r.inputs['role']}:{name}", {"name": name})


@creates("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
def role_policy_attachment(clients: Clients, r: Registration) -> Created:
    values = {"roleName": r.inputs["role"], "policyArn": r.inputs["policyArn"]}
    send(clients.of("iam", r), "attach_role_policy", values)
    return Created(f"{r.inputs['role']}/{r.inputs['policyArn']}", {})


@creates("aws:iam/policy:Policy")
def policy(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    values = {
        **inputs(r, "name", "policy", "delayAfterPolicyCreationInMs"),
        "policyName": name,
        "policyDocument": as_json(r.inputs["policy"]),
    }
    made = send(clients.of("iam", r), "create_policy", values)["Policy"]
    return Created(made["Arn"], {"name": name, "arn": made["Arn"], "policyId": made["PolicyId"]})


@creates("aws:iam/instanceProfile:InstanceProfile")
def instance_profile(clients: Clients, r: Registration) -> Created:
    iam, name = clients.of("iam", r), physical_name(r)
    values = {**inputs(r, "name", "role"), "instanceProfileName": name}
    made = send(iam, "create_instance_profile", values)["InstanceProfile"]
    if r.inputs.get("role"):
        send(iam, "add_role_to_instance_profile", {"instanceProfileName": name, "roleName": r.inputs["role"]})
    return Created(name, {"name": name, "arn": made["Arn"], "uniqueId": made["InstanceProfileId"]})


@creates("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
def openid_provider(clients: Clients, r: Registration) -> Created:
    """Who may sign in to roles from outside, such as a delivery pipeline."""
    renamed = {"clientIdLists": "ClientIDList", "thumbprintLists": "ThumbprintList"}
    made = send(clients.of("iam", r), "create_open_id_connect_provider", inputs(r), renamed)
    arn = made["OpenIDConnectProviderArn"]
    return Created(arn, {"arn": arn})
