"""What every mode must do, whatever it runs on."""
