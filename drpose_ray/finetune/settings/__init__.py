"""The `finetune` section of the settings, a group a file, with the values of the paper."""
