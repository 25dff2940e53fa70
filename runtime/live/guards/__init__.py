"""What a document may ask for, found out before it costs anything."""
