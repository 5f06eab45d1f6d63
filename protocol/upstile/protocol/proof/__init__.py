"""DPoP: a proof is made and checked, and the keys, signatures and URLs that it takes (RFC 9449)."""
