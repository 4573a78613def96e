"""Finding out what is wrong: with the machine, and with a platform that runs."""
