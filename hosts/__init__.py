"""What runs: each host reads settings, picks providers and composes."""
