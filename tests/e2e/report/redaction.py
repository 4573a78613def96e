"""Taking secrets out of what is kept: known values, one-time codes, cookies."""

import re
import zipfile
from pathlib import Path

HIDDEN = "•••"
_PARAMETERS = re.compile(
    r"([?&](?:code|state|token|access_token|client_secret|code_verifier|_xsrf)=)[^&\s\"'<>]+"
)
_HEADERS = re.compile(
    r"(?i)\b(authorization|cookie|set-cookie|x-xsrftoken)(['\"]?\s*[:=]\s*['\"]?)[^'\"\n]+"
)
_TRACED_HEADERS = re.compile(
    r'(?i)("name":"(?:authorization|cookie|set-cookie|x-xsrftoken)","value":")(?:[^"\\]|\\.)*'
)
_TRACED_COOKIES = re.compile(r'("cookies":)\[[^\]]*\]')


class Redaction:
    """Replaces these secrets, and all that looks like one in a URL or a header."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 4)

    def __call__(self, text: str) -> str:
        """*text* without secrets."""
        return _HEADERS.sub(rf"\1\2{HIDDEN}", _PARAMETERS.sub(rf"\1{HIDDEN}", self._known(text)))

    def _known(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

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
        text = _TRACED_COOKIES.sub(r"\1[]", _TRACED_HEADERS.sub(rf"\1{HIDDEN}", text))
        return _PARAMETERS.sub(rf"\1{HIDDEN}", self._known(text))
