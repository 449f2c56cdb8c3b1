"""What every component shares: its type token, place, tags, options for children, and its declared outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi

from infra.naming import Names


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a component's resources are made, and the stamp they carry.

    `region` is the AWS region of every regional child; a component of global services
    (IAM, Route 53, CloudFront, Budgets) gets the region its few regional children need.
    `protect` guards data stores from deletion by the engine.
    """

    names: Names
    region: str
    tags: Mapping[str, str]
    protect: bool


class Component(pulumi.ComponentResource):
    """Base of all components: `class Network(Component, area="network")`.

    A subclass declares its outputs as class annotations, sets each one, and calls `finish()` once at the end.
    """

    area: ClassVar[str]
    place: Place

    def __init_subclass__(cls, *, area: str) -> None:
        super().__init_subclass__()
        cls.area = area

    def __init__(self, name: str, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"serveml:{self.area}:{type(self).__name__}", name, None, opts)
        self.name = name
        self.place = place

    @property
    def region(self) -> str:
        return self.place.region

    @property
    def tags(self) -> Mapping[str, str]:
        return self.place.tags

    def tagged(self, name: str, **more: str) -> dict[str, str]:
        """The standard tags, a Name, and what else is given."""
        return {**self.place.tags, "Name": name, **more}

    def child_name(self, *parts: str) -> str:
        return "-".join([self.name, *parts])

    def child(
        self,
        *,
        guarded: bool = False,
        depends_on: Sequence[pulumi.Resource] | None = None,
        provider: pulumi.ProviderResource | None = None,
        deleted_with: pulumi.Resource | None = None,
        delete_before_replace: bool | None = None,
        ignore_changes: list[str] | None = None,
        aliases: Sequence[pulumi.Alias] | None = None,
        custom_timeouts: pulumi.CustomTimeouts | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a child: it has this component as parent and inherits nothing else of the caller's.

        `guarded` marks a data store: it is protected where the place says so.
        """
        return pulumi.ResourceOptions(
            parent=self,
            protect=True if guarded and self.place.protect else None,
            depends_on=list(depends_on) if depends_on else None,
            provider=provider,
            deleted_with=deleted_with,
            delete_before_replace=delete_before_replace,
            ignore_changes=ignore_changes,
            aliases=list(aliases) if aliases else None,
            custom_timeouts=custom_timeouts,
        )

    def finish(self) -> None:
        """Register the declared outputs; AttributeError if one was declared and not set."""
        declared = [key for key in vars(type(self)).get("__annotations__", {}) if not key.startswith("_")]
        self.register_outputs({key: getattr(self, key) for key in declared})
