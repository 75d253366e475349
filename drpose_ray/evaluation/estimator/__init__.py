"""The independent pose estimator that judges DrPose."""
