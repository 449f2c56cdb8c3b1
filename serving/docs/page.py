"""The page that shows the document: HTML, a script and a style sheet of this package, which load nothing else."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from contract.service import DOCS_PATH

PAGE_TYPE = "text/html"
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Asset(NamedTuple):
    """A file of the page; all of them are UTF-8."""

    name: str
    media_type: str

    def read(self) -> bytes:
        return (files("serving.docs") / "assets" / self.name).read_bytes()


PAGE = Asset("page.html", PAGE_TYPE)
ASSETS = {
    f"{DOCS_PATH}/{asset.name}": asset for asset in (Asset("page.js", "text/javascript"), Asset("page.css", "text/css"))
}
"""By path. A name that is not here is no file of the page."""
