"""The policies as managed ones of the account. Who gets which is left to permission sets and roles that name them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.operators.duties import Duty
from components.operators.policies import document
from components.operators.reach import Reach


@dataclass(frozen=True, kw_only=True)
class OperatorsArgs:
    place: Place
    reach: Reach


class Operators(Component, area="operators"):
    """One customer managed policy for each duty.

    Children: a Policy for each Duty, named `<prefix>-<duty>`. The name is the same in every account of a kind, which is
    how IAM Identity Center finds the policy that a permission set refers to.
    """

    policy_arns: dict[str, pulumi.Output[str]]
    """By duty."""

    def __init__(self, name: str, args: OperatorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self.policy_arns = {duty.value: self._policy(duty, args.reach) for duty in Duty}
        self.finish()

    def _policy(self, duty: Duty, reach: Reach) -> pulumi.Output[str]:
        policy_name = self.place.names.of(duty)
        policy = aws.iam.Policy(
            self.child_name(duty),
            name=policy_name,
            description=f"What a {duty} of {self.place.names.prefix} does with serveml",
            policy=pulumi.Output.json_dumps(document(duty, reach)),
            tags=self.tagged(policy_name),
            opts=self.child(),
        )
        return policy.arn
