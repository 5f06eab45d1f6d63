"""Log records as lines of JSON, for those who have no formatter of their own."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from upstile.server.storage import AuditRow

_FIELDS = AuditRow._fields


class JsonLines(logging.Formatter):
    """One JSON object for each record, on one line: time, level, logger, message, and the fields of an event.

    ```python
    handler = logging.FileHandler("audit.jsonl")
    handler.setFormatter(JsonLines())
    logging.getLogger("upstile.server.audit").addHandler(handler)
    ```
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        members |= {name: vars(record)[name] for name in _FIELDS if name in vars(record)}
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members)
