"""The micro pipelines: architectures of diffusers' and transformers' own classes, and how each is pretrained."""
