"""What must not be asked for and what must not be shown."""
