"""What everything stands on: errors, console, paths, polling, subprocesses, locks."""
