"""The double chart (tests/fixtures/chart) and the real one, held to the same contract."""
