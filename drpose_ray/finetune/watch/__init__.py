"""What is watched while it trains: held-out pairs, pictures, spikes."""
