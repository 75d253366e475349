"""What the VAE makes of renders, once, on disk."""
