"""server.json is what the MCP registry takes, by its schema of 2025-12-11, as far as we use it.

The schema itself cannot be fetched where the tests run and is not ours to ship: what it demands of the fields that we
have is said here anew, and a field that is not said here is refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from tests.contracts.tree import ROOT

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
# The registry takes one exact version: no range, not `latest`.
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+([-+.][0-9A-Za-z.-]+)?$", max_length=255)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Repository(Part):
    url: HttpUrl
    source: Literal["github"]


class Stdio(Part):
    type: Literal["stdio"]


class Positional(Part):
    type: Literal["positional"]
    value: str


class Variable(Part):
    name: str
    description: str
    format: Literal["string", "number", "boolean", "filepath"]
    isRequired: bool  # noqa: N815 - the registry's word


class Package(Part):
    registryType: Literal["pypi"]  # noqa: N815
    identifier: str
    version: Version
    runtimeHint: Literal["uvx"]  # noqa: N815
    transport: Stdio
    packageArguments: list[Positional]  # noqa: N815
    environmentVariables: list[Variable]  # noqa: N815


class Server(Part):
    schema_: Literal[SCHEMA] = Field(alias="$schema")
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", min_length=3, max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    version: Version
    repository: Repository
    packages: Annotated[list[Package], Field(min_length=1)]


def test_the_registry_would_take_it():
    text = (ROOT / "server.json").read_text(encoding="utf-8")
    server = Server.model_validate_json(text)

    assert server.packages[0].identifier == "trainwell"
    assert server.model_dump(by_alias=True, mode="json") == json.loads(text)
