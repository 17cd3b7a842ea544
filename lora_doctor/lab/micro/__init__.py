"""The micro pipelines' architectures, each of diffusers' and transformers' own classes, and how each is asked while it is pretrained."""
