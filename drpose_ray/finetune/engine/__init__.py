"""How the U-Net is held: DeepSpeed ZeRO, LoRA, the frozen reference, the average."""
