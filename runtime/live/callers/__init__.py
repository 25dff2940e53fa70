"""Who asks, what they may see and send, and how much they may hold at once."""
