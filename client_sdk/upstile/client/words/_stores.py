"""What is said of the place where a sign-in is kept; what is kept there is as it was."""

from upstile.client.words._words import Words

_WHO = "Look who put it there, and remove it."

STORES = {
    "damaged": Words(
        "StoreError",
        "The sign-in in {where} is damaged",
        "Sign out so that it is forgotten, or remove it; then sign in again.",
        "what is there is no entry of this client: client.sign_out(forget=True) removes it",
    ),
    "later-version": Words(
        "StoreError",
        "The sign-in in {where} was kept by a later version of this app",
        "Update the app; or sign out so that it is forgotten, and sign in again.",
        "upstile_store is a later version than this release knows; client.sign_out(forget=True) removes the entry",
    ),
    "no-locks": Words(
        "StoreError",
        "This system cannot lock files",
        "Tell the makers of this app.",
        "filelock has no lock of the operating system here, and a soft one would outlive its holder: use another Store",
    ),
    "locked": Words(
        "StoreError",
        "Another program keeps {path} locked",
        "Close the other windows of this app, and try again.",
        "the lock was not free within {patience} seconds; a change holds it for"
        " milliseconds, a renewal of the sign-in until its server has answered",
    ),
    "not-a-file": Words(
        "StoreError", "{path} is not what it should be", _WHO, "a file, and its folder, have to be what they are called"
    ),
    "another-owner": Words(
        "StoreError",
        "{path} belongs to another user",
        "Run this as the user who signed in, or remove it.",
        "st_uid is not the effective user of this process, such as after sudo",
    ),
    "open-to-others": Words(
        "StoreError",
        "{path} is open to other users of this machine",
        "Somebody may have read it: chmod {mode} {path}, then sign out and in again.",
        "the mode has bits for group or others; a store makes its files with {mode}",
    ),
    "disk-full": Words(
        "StoreError",
        "The disk is full, so {path} could not be {doing}",
        "Make room, and try again.",
        "ENOSPC or EDQUOT; the old entry is whole",
    ),
    "a-link": Words("StoreError", "{path} is a link", _WHO, "links are not followed (O_NOFOLLOW)"),
    "no-folder": Words("StoreError", "{path} is no folder", _WHO, "O_DIRECTORY and O_NOFOLLOW refused it"),
    "cannot": Words(
        "StoreError",
        "{path} could not be {doing}: {why}",
        "Look whether you may read and write there.",
        "the operating system refused",
    ),
    "keyring-locked": Words(
        "StoreError",
        "The keyring of this system is locked",
        "Unlock it, and try again.",
        "keyring says KeyringLocked; no file is taken instead",
    ),
    "keyring-refused": Words(
        "StoreError",
        "The keyring of this system refused: {why}",
        "Look whether it is open and has room, then try again.",
        "the back end of keyring raised {why}; FileStore keeps a sign-in without a keyring",
    ),
    "no-keyring": Words(
        "StoreError",
        "This system has no keyring that can be used here, as on a server without a desktop",
        "Start one, or choose another store in the app's settings.",
        "keyring recommends no back end that keeps secrets; FileStore keeps a sign-in without one",
    ),
}
