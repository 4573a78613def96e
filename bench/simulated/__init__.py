"""Thousands of users on one real hub, with servers that are simulated: `bench.load --simulated`."""
