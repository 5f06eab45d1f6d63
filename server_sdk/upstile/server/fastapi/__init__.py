"""Step-up authentication for FastAPI: the adapter over the framework-neutral deployment.

```python
server = StepUp.embedded(url="https://api.example.com", storage="sqlite:///stepup.db", clients=[App("cli")])
server.install(app)

@app.post("/transfers")
async def transfer(auth: Annotated[Authentication, Depends(server.require(acr="mfa", max_age=300))]): ...
```
"""

try:
    import fastapi as _  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("upstile.server.fastapi needs FastAPI: pip install 'upstile[fastapi]'") from error

from upstile.server import App, Authentication
from upstile.server.fastapi._step_up import StepUp

__all__ = ["App", "Authentication", "StepUp"]
