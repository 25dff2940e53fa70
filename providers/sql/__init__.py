"""What every read store shares without touching a driver: what values mean, what a query may ask, cursors, and plans in SQL."""
