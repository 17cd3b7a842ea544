"""The demo: a small dataset with defects, a config with traps, and what lora-doctor says about them, on one page."""
