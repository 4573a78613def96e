"""The two buckets: making them and their key, looking into them, a first data set."""
