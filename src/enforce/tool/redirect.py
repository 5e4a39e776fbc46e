"""Runs a Python program whose requests go to the gateway, each as the URL that the program asked for."""

import os
import runpy
import sys

GATE = "@GATE@"
INDEXES = @INDEXES@
CACHE = "@CACHE@"
PIPENV = "@TOOL@" == "pipenv"


def carried(url):
    scheme, rest = url.split("://", 1)
    host, slash, path = rest.partition("/")
    host = host.rsplit("@", 1)[-1]
    return f"{GATE}/%s/~/{scheme}/{host.replace(':', '~')}{slash}{path}"


def at_gate(url):
    """The gateway's URL for another's; None for what is no request of this kind."""
    if not url.startswith(("http://", "https://")) or url.startswith(GATE):
        return None
    url = url.split("#", 1)[0]
    scheme, rest = url.split("://", 1)
    plain = f"{scheme}://{rest.split('/', 1)[0].rsplit('@', 1)[-1]}/{rest.partition('/')[2]}"
    for index in INDEXES:
        if plain.startswith(index):
            return carried(plain) % "pypi/index"
    if plain.endswith("/json") and "/pypi/" in plain:
        return carried(plain) % "pypi/json"
    return carried(plain) % "pypi/files"


def change_requests(sessions):
    adapter = sessions.HTTPAdapter
    own = adapter.send

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        url = request.url
        instead = at_gate(url)
        if instead is None:
            return own(self, request, stream, timeout, verify, cert, proxies)
        inner = request.copy()
        inner.url = instead
        inner.headers.pop("Authorization", None)
        inner.headers["x-tidewaiter"] = "as-asked"
        response = own(self, inner, stream, timeout, verify, cert, {})
        response.url = url
        response.request = request
        return response

    adapter.send = send


def change_httpx(httpx):
    own = httpx.HTTPTransport.handle_request

    def handle_request(self, request):
        instead = at_gate(str(request.url))
        if instead is None:
            return own(self, request)
        url = httpx.URL(instead)
        headers = [(k, v) for k, v in request.headers.raw if k.lower() not in (b"authorization", b"host")]
        headers += [(b"host", url.netloc), (b"x-tidewaiter", b"as-asked")]
        inner = httpx.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        return own(self, inner)

    httpx.HTTPTransport.handle_request = handle_request


def change_poetry(config):
    from pathlib import Path

    config.Config.repository_cache_directory = property(lambda _: Path(CACHE, "repositories"))
    config.Config.artifacts_cache_directory = property(lambda _: Path(CACHE, "artifacts"))


CHANGES = {"requests.adapters": change_requests, "httpx": change_httpx, "httpx2": change_httpx}
CHANGES["poetry.config.config"] = change_poetry
# Pipenv's own pip, by either name.
CHANGES["pip._vendor.requests.adapters"] = change_requests
CHANGES["pipenv.patched.pip._vendor.requests.adapters"] = change_requests

# Programs of Pipenv that it starts as processes, in the project's interpreter: they are led the same way.
CHILDREN = (
    "pipenv/patched/pip/__pip-runner__.py",
    "pipenv/resolver/main.py",
    "pipenv/resolver.py",
)


def led(command):
    """A command with this program in front of the script that it runs."""
    if isinstance(command, (list, tuple)):
        for at, word in enumerate(command):
            if str(word).replace(os.sep, "/").endswith(CHILDREN):
                return [*command[:at], PROGRAM, *command[at:]]
    return command


def change_subprocess(subprocess):
    own = subprocess.Popen.__init__

    def init(self, args, *others, **options):
        own(self, led(args), *others, **options)

    subprocess.Popen.__init__ = init


class Changing:
    """Finds the modules as ever, and changes each once it is loaded."""

    def find_spec(self, name, path=None, target=None):
        change = CHANGES.pop(name, None)
        if change is None:
            return None
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        own = spec.loader.exec_module

        def exec_module(module):
            own(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


PROGRAM = os.path.abspath(sys.argv[0])
sys.meta_path.insert(0, Changing())
if PIPENV:
    import subprocess

    change_subprocess(subprocess)
del sys.argv[0]
if sys.argv[0] == "-m":
    name = sys.argv[1]
    del sys.argv[0]
    sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)
else:
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
