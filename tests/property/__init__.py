"""What must hold for every value, tried on many drawn ones."""
