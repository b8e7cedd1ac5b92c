"""Makes the package `forebay.api` of the description of the interface: its types, and a function for each route."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from openapi_python_client import Config, generate
from openapi_python_client.config import ConfigFile, MetaType
from openapi_python_client.parser.errors import ErrorLevel

DESCRIPTION = Path(__file__).parent / "../../docs/openapi.json"
# The generator knows no NDJSON. What sends many orders is the part that is written by hand.
NOT_KNOWN = "application/x-ndjson"


class GenerateFromDescription(BuildHookInterface[Any]):
    """What hatchling calls before it packs."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Make it, and have it packed."""
        self.made = Path(tempfile.mkdtemp(prefix="forebay-api-"))
        description = self.made / "openapi.json"
        description.write_text(json.dumps(without_ndjson(json.loads(DESCRIPTION.read_text()))))
        config = Config.from_sources(
            ConfigFile(post_hooks=[]),
            MetaType.NONE,
            document_source=description,
            file_encoding="utf-8",
            overwrite=True,
            output_path=self.made / "api",
        )
        for error in generate(config=config):
            message = f"{error.level.value}: {error.header} {error.detail}"
            if error.level is ErrorLevel.ERROR or error.detail:
                raise ValueError(message)
        build_data["force_include"][str(self.made / "api")] = "forebay/api"

    def finalize(self, *_: object) -> None:
        """Throw away what was made."""
        shutil.rmtree(self.made)


def without_ndjson(description: dict[str, Any]) -> dict[str, Any]:
    """The description as the generator can read all of it."""
    for path in description["paths"].values():
        for operation in path.values():
            operation.get("requestBody", {}).get("content", {}).pop(NOT_KNOWN, None)
    return description
