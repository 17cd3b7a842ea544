"""LoRA files: what they are, where they load, how healthy they are, and how to change them; numpy at most, no torch.

`keys` takes a tensor's name apart, `read` a file; `identify`, `formats`, `scale` and `loaders` answer from the header
alone; `factors`, `health` and `differ` read weights; `convert`, `combine` and `write` make new files.
"""
