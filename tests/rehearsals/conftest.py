"""The cluster of others and the checkout that deploys into it, as the contract tests have them."""

from tests.contract.conftest import cluster, trial

__all__ = ["cluster", "trial"]
