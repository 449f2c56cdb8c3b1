"""Writes the dashboards' files into this folder: `python -m components.observability.dashboards`."""

from __future__ import annotations

from components.observability.dashboards.catalogue import EXAMPLE, FOLDER, files


def main() -> None:
    for name, content in files(EXAMPLE).items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    main()
