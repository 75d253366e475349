"""An orthographic rasteriser in plain torch, the same on CPU and CUDA, differentiable in positions and attributes."""
