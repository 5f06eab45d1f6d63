"""A real server under load: step-ups are offered at a rate, whether it keeps up or not, and guarded calls beside them."""
