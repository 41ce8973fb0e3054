"""Text to finished video on one GPU, or on a laptop without one."""
