"""What is heard: read, synthesised or spoken, of the clip's length, and as loud as players want it."""
