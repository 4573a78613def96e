"""Things that go wrong, injected for real; rows of the fault matrix."""
