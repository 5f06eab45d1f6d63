"""What a person may want instead of answering: a prompter raises it."""


class AnotherWay(Exception):
    """The person wants to confirm in another way: raise it instead of an answer, where `begin` was given others."""


class SendAgain(Exception):
    """The person wants the code once more: raise it instead of a code, after `sent` has said from when on."""
