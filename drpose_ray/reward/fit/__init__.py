"""Sec. 3.1: training the skeleton predictor."""
