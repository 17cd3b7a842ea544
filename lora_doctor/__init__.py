"""A training doctor and config linter for diffusion LoRAs."""

__version__ = "0.1.0"
