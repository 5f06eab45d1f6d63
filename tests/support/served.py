"""An API for a web server of an operator's choice to load: `support.served:app`. Its environment says where it is."""

import os
from urllib.parse import urlsplit

from fastapi import FastAPI

from support.prefixed import router_for
from upstile.server import App
from upstile.server.fastapi import StepUp

URL = os.environ["SERVED_URL"]
server = StepUp.embedded(
    url=URL, storage=os.environ["SERVED_STORAGE"], clients=[App("cli")], allow_insecure_loopback=True
)
app = FastAPI()
server.install(app)
app.include_router(router_for(server), prefix=urlsplit(URL).path)
