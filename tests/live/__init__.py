"""What clients see of the gateway."""
