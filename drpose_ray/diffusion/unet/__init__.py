"""The multi-view U-Net."""
