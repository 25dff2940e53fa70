"""What the stacks declare, and the image that they run."""
