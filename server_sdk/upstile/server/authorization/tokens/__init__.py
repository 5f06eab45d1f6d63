"""What a ceremony yields: a code, the elevated token that it is redeemed for, and its revocation."""
