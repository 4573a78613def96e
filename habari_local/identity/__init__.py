"""Who can sign in: the GitHub stand-in of the local modes."""
