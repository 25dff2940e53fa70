"""What moves: commands to events, events to rows, rows to signals, sagas to commands."""
