"""Production's configuration loaded as its hub loads it, confined, and told as data."""
