"""The demo: a dataset with defects, a config with traps, two trainings, and what lora-doctor says, on one page."""
