"""How the flow behaves, in sentences, over the memory providers."""
