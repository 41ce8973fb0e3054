"""What tells people and programs that a clip was made by a model."""
