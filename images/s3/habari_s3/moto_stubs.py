"""Stubs for what moto imports and we do not need: half its start, a third of its memory.

moto mocks boto3 inside a test's process; a server of S3 and IAM needs neither boto3 nor
`responses`, nor certificates, nor the 6 MB text of AWS's own policies.
What asks for one of these fails loudly.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any, NoReturn

ACCOUNT = "123456789012"


class _SessionStub:
    """Stands for botocore's Session, which moto only asks which services there are."""

    def get_available_services(self) -> list[str]:
        """Return the services that are served."""
        return ["iam", "s3", "sts"]


STUBBED_MODULES: dict[str, dict[str, Any]] = {
    "boto3": {},
    "botocore.session": {"Session": _SessionStub},
    "cryptography": {"__path__": []},
    "cryptography.hazmat": {"__path__": []},
    "cryptography.hazmat.backends": {},
    "cryptography.x509": {},
    "moto.core.decorator": {},
    "moto.core.models": {"DEFAULT_ACCOUNT_ID": ACCOUNT},
    "moto.iam.aws_managed_policies": {"aws_managed_policies_data": "{}"},
    "responses": {},
}


class UnusedName:
    """Stands for a name of a module that is not loaded."""

    def __init__(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise NotImplementedError("this part of moto is not part of the S3 service")


class _StubModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return UnusedName


def install() -> None:
    """Set moto up for this service; call it before the first import of moto."""
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(1 << 40)  # bodies go to our own files
    for name, attributes in STUBBED_MODULES.items():
        if name not in sys.modules:
            module = _StubModule(name)
            vars(module).update(attributes)
            sys.modules[name] = module
