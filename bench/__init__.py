"""Times and memory beside the same parts started by hand; never part of the tests."""
