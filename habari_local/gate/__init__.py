"""What must hold before a change is deployed."""
