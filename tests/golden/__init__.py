"""Golden values: numbers computed by other tools, with the scripts that compute them."""
