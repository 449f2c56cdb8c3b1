"""`python -m stacks.reference`: writes the settings table and the stack files' schema."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.settings import reference
from stacks.environments import defaults

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def documents() -> dict[str, str]:
    """File name to text, as they should be."""
    return {"settings.md": reference.table(defaults), "stack.schema.json": reference.schema()}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
