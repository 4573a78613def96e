"""Files made from the settings: the pattern of the .env file and the page of the reference."""
