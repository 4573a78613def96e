"""The tests: unit, contract, faults and end-to-end."""
