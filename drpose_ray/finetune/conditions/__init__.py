"""Input images encoded once, so that training holds neither VAE nor image encoder."""
