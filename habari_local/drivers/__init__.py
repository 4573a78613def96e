"""One external program a module: argv in, typed results out."""
