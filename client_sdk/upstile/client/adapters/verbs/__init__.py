"""What an app asks of a client beside sending requests: sign in and out, enrol, ask ahead."""
