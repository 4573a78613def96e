"""The servers' key is rotated while somebody saves five times a second: none of the saves fails."""

from __future__ import annotations

import pytest

from tests.rehearsals.external_cluster import Foreign
from tests.rehearsals.rotation import rotated
from tests.scratch import Scratch


@pytest.mark.timeout(400)
def test_no_save_fails_while_the_key_is_rotated(cluster: Foreign, trial: Scratch) -> None:
    found = rotated(cluster, trial)
    assert (found.code, len(found.behind)) == (4, 1), "their server has the old key still"
    assert found.told["retired"]
    assert found.told["old"] == found.before
    assert set(found.heard) == {"saved"}
    assert found.left == [found.told["new"]]
