"""Secrets of one namespace: made when somebody is granted what is in them, kept out of every plan."""

import base64
from collections.abc import Mapping
from typing import Any

import pulumi

from stacks.cloud import FromSecret
from stacks.kube.names import INSTANCE, NAME, Place
from stacks.kube.render import render


class Vault(pulumi.ComponentResource):
    """The secrets; each is made once."""

    def __init__(self, place: Place, provider: pulumi.ProviderResource, needs: pulumi.Resource, production: bool) -> None:
        super().__init__("trimaran:kube:Vault", "secrets", None, pulumi.ResourceOptions(provider=provider))
        self._place = place
        self._options = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[needs], protect=production)
        self._made: dict[str, Any] = {}
        self._values: dict[tuple[str, str], FromSecret] = {}
        self.register_outputs({})

    def keep(self, name: str, texts: Mapping[str, str]) -> None:
        """Make the secret of a name, unless it is there."""
        if name not in self._made:
            data = {key: pulumi.Output.secret(base64.b64encode(text.encode()).decode()) for key, text in texts.items()}
            manifest = self._place.object("Secret", name, {NAME: "trimaran", INSTANCE: self._place.app}, type="Opaque", data=data)
            self._made[name] = render(name, manifest, self._options)

    def value(self, name: str, key: str = "") -> FromSecret:
        """A variable that a key of a secret fills. The version is the API server's own: it says nothing of what is in the secret."""
        if (name, key) not in self._values:
            version: pulumi.Output[str] = self._made[name].metadata.apply(lambda metadata: metadata.resource_version or "")
            self._values[name, key] = FromSecret(name, key, version)
        return self._values[name, key]

    @property
    def made(self) -> list[pulumi.Resource]:
        """All that were made so far."""
        return list(self._made.values())
