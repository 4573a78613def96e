"""S3 on this machine that keeps what it acknowledged: moto or LocalStack behind a journal."""
