"""Trains the pocket family from nothing and distils few-step students of either family."""
