"""Is the reward any good? What a skeleton predictor reads, what PoseScore makes of it, and how it can be fooled."""
