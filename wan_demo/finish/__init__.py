"""Clip -> Clip: what is done to the frames after the model has drawn them."""
