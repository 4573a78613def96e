#!/bin/bash
# The entrypoint of docker-stacks, as far as others notice: hooks, then the command. Our image has its own.
set -e
echo "Running hooks in: /usr/local/bin/before-notebook.d" >&2
unset CONDA_PREFIX
exec "$@"
