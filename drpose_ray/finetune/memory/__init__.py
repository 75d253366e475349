"""What a fine-tune needs on each device, from counts alone."""
