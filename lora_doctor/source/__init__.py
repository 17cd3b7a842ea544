"""Text with positions: TOML, YAML, JSON, dotenv and shell become a `Document`. Knows no trainer."""
