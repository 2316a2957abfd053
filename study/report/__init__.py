"""What a finished run found, said in print."""
