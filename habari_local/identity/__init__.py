"""Who can sign in: the fake GitHub of the local modes."""
