"""Eq. 1: joint maps read from latents, compared with those of the true pose."""
