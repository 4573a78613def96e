"""Taking secrets out of what is kept of a run, by the tool's own list, and out of traces."""

import re
import zipfile
from pathlib import Path

from habari_local.core import redaction
from habari_local.core.redaction import HIDDEN, PARAMETER

_TRACED_HEADERS = re.compile(
    r'(?i)("name":"(?:authorization|cookie|set-cookie|x-xsrftoken)","value":")(?:[^"\\]|\\.)*'
)
_TRACED_COOKIES = re.compile(r'("cookies":)\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\]')


class Redaction(redaction.Redaction):
    """Replaces these secrets, and all that looks like one; in traces of the browser too."""

    def trace(self, path: Path) -> None:
        """Rewrite a Playwright trace without its session cookies and tokens."""
        clean = path.with_suffix(".clean")
        with (
            zipfile.ZipFile(path) as source,
            zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED) as to,
        ):
            for name in source.namelist():
                content = source.read(name)
                if name.endswith((".network", ".trace")):
                    content = self._traced(content.decode()).encode()
                to.writestr(name, content)
        clean.chmod(0o600)
        clean.replace(path)

    def _traced(self, text: str) -> str:
        text = _TRACED_HEADERS.sub(rf"\1{HIDDEN}", _TRACED_COOKIES.sub(r"\1[]", text))
        return PARAMETER.sub(rf"\1{HIDDEN}", self.without_known(text))
