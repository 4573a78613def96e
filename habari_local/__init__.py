"""Habari on one machine: the tool and its modes."""
