"""How long each thing lives, in seconds (upstile profile §4, §7, §8).

What is not here: remembered proofs (`_replay.py`), signing keys (`keys/_rotation.py`), and rows of the audit, for which
the deployment says it (`audit_kept_for=`).
"""

SESSION_LIFE = 300
"""A step waits for its answer."""
CLAIM_LIFE = 10
"""An answer is being judged; after that nobody is judging it any more."""
REPLY_KEPT = 60
"""A reply can be had again."""
CODE_LIFE = 60
"""An authorization code must be redeemed."""
TOKEN_LIFE = 300
"""An elevated token lives; a bound one as long as the route's `max_age`, if that is longer."""
LONGEST_TOKEN_LIFE = 3600
"""A bound elevated token lives at most."""
LOGIN_LIFE = 12 * 3600
"""A base login lasts, unless the deployment says less; as long as its factors count towards `mfa`."""
ENROLMENT_CODE_LIFE = 600
"""An enrolment code is good."""
SENT_CODE_LIFE = 600
"""A code that was sent is good, and so long may a step wait for it."""
RESTORE_DELAY = 24 * 3600
"""A way back by mail waits: so long can its owner cancel it before a code is mailed."""
RESTORE_LAPSES = 72 * 3600
"""A way back by mail is forgotten after it was asked for."""
PENDING_LIFE = 600
"""A new authenticator must be verified."""
KNOWN_FOR = 90 * 24 * 3600
"""A key is known after its last ceremony; so long is what is counted for a user kept after the last change."""
