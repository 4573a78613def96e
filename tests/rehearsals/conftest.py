"""The cluster of others, as the contract tests have it."""

from tests.contract.conftest import cluster

__all__ = ["cluster"]
