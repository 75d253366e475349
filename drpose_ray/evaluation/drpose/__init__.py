"""Base, DrPose and DrPose without KL on held-out poses."""
