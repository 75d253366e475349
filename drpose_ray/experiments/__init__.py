"""Stages in order: the pipeline, the shipped weights, sweeps."""
