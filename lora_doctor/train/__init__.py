"""Training: one visible loop (`run`), what differs between models (`families`), and what the loop needs."""
