"""A real server under load: step-ups at a rate, whether it keeps up or not, and guarded calls beside them."""
