"""What takes too long for each run of CI: `nox -s rehearsals`, before a release and by hand."""
