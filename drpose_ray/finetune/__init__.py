"""Eq. 2 and Algorithm 1: direct reward fine-tuning of the multi-view model."""
