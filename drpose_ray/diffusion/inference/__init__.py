"""Photos to views with a base or post-trained model."""
