"""Settings: the typed model, where each value comes from, secrets, and the files made of them."""
