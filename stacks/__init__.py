"""Stacks: what `pulumi up` makes of an app's description; Pulumi only, and no code of ours that runs elsewhere."""
