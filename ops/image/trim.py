"""The image build's trimming of the installed libraries; Python and Debian are trimmed as for the serving container.

Runs inside the build alone, from a folder with this package and `serving.image.trim`; `ops.image.check` then proves
that what is left still works.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from ops.image.services import SERVICES
from serving.image.trim import UNREAD_SUFFIXES, NothingMatched, delete, files, size_mib

# Under site-packages. Each pattern has to match something: a library that moved its files is noticed at the build.
UNUSED = {
    "boto3/data": "descriptions for boto3.resource(), which the controller does not call",
    "boto3/examples": "text for the generated documentation",
    "botocore/data/*/*/examples-1.json*": "text for the generated documentation",
}


def trim_packages(site_packages: Path) -> None:
    """Delete what the libraries have for other uses than the controller's."""
    for pattern in UNUSED:
        matched = list(site_packages.glob(pattern))
        if not matched:
            raise NothingMatched(
                f"{pattern} matches nothing in {site_packages}: take it out of the list, or correct it"
            )
        delete(matched)
    data = site_packages / "botocore" / "data"
    delete(path for path in data.iterdir() if path.is_dir() and path.name not in SERVICES)
    delete(path for path in files(site_packages) if path.suffix in UNREAD_SUFFIXES)
    # The libraries' own commands.
    delete(path for path in (site_packages.parents[2] / "bin").iterdir() if not path.name.startswith("python"))


def main() -> int:
    root = Path("/")
    before = size_mib(root)
    trim_packages(Path(sysconfig.get_path("purelib")))
    print(f"trimmed packages: {before:.1f} MiB are {size_mib(root):.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
