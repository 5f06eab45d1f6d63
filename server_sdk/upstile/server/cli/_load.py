"""Finds the deployment: the object that the application itself made, so that all is configured in one place."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType

from upstile.protocol import UpstileError
from upstile.server.cli._operated import Operated
from upstile.server.deployment._deployment import Deployment

_EXAMPLE = "such as `upstile-server --app bank:server keys status`"


class CannotLoad(UpstileError):
    """The application cannot be found or imported; the message says what to do."""

    code = "cannot_load"


def load(application: str | None) -> Operated:
    """The authorization server of the deployment that `module:name` names.

    Raises:
        CannotLoad: there is none.
    """
    authority = inspected(application).authority
    if authority is None:
        raise CannotLoad(f"{application} takes the tokens of other issuers: it has no keys and no users of its own")
    return authority


def inspected(application: str | None) -> Deployment:
    """The deployment that `module:name` names. Importing an application opens nothing.

    Raises:
        CannotLoad: there is none.
    """
    if not application:
        raise CannotLoad(f"say which application this is about: --app module:name or UPSTILE_APP, {_EXAMPLE}")
    module_name, colon, name = application.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise CannotLoad(f"--app {application!r} must be module:name, {_EXAMPLE}")
    module = _imported(module_name)
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise CannotLoad(f"{module_name} has no {name!r}. {_others(module)}")
    deployment = _deployment(found)
    if deployment is None:
        raise CannotLoad(f"{application} is {_kind(found)}, not a StepUp object. {_others(module)}")
    return deployment


def make(function: str) -> None:
    """Call a function without arguments that makes an application, as uvicorn does with `--factory`.

    Raises:
        CannotLoad: there is none, or it fails.
    """
    module_name, _, name = function.partition(":")
    made = getattr(_imported(module_name), name, None)
    if not callable(made):
        raise CannotLoad(f"{function!r} must be module:function, such as `upstile-server … check bank:create_app`")
    try:
        made()
    except (Exception, SystemExit) as error:
        raise _failed(function, error) from error


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as uvicorn does
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise CannotLoad(
                f"there is no module {error.name!r} in {here} or among what is installed: run the command where you "
                "start the server"
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> CannotLoad:
    if isinstance(error, UpstileError):
        return CannotLoad(f"{name} is configured wrongly: {error}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = f": {error}" if str(error) else ""
    return CannotLoad(f"importing {name} failed in {last.filename}, line {last.lineno}: {type(error).__name__}{said}")


def _others(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if _deployment(value) is not None]
    if names:
        return f"The StepUp object there is {' or '.join(f'{module.__name__}:{name}' for name in names)}."
    return (
        "Name the variable that holds what StepUp.embedded(...) returned; a function that makes it will not do. One"
        " that makes the application is named behind `check`: --app bank:server check bank:create_app."
    )


def _deployment(found: object) -> Deployment | None:
    if isinstance(found, type | ModuleType):
        return None
    deployment: object = getattr(found, "_deployment", None)
    return deployment if isinstance(deployment, Deployment) else None


def _kind(found: object) -> str:
    return "a class" if isinstance(found, type) else f"of the type {type(found).__name__}"
