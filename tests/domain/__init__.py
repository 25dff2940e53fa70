"""The domain kernel, sentence by sentence."""
