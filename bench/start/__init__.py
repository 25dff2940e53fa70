"""Two programs that start, do one durable command on SQLite, and say so: ours and a bare one; bench.cold_lines times them."""
