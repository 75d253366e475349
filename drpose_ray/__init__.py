"""DrPose as a Ray-distributed system: pose data, reward fine-tuning of multi-view human diffusion, judgement."""

__version__ = "0.1.0"
