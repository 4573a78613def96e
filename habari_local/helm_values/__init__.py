"""The chart and its values: where it comes from, what it takes, how one machine differs."""
