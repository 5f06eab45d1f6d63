"""Who is signed in, with which key and which tokens, and what of it the store keeps."""
