"""What the tests of the served pages read out of one."""

import json
import re
from typing import Any

import httpx


def settings_of(page: httpx.Response) -> dict[str, Any]:
    """What the page tells its scripts."""
    (text,) = re.findall(r'<script type="application/json" id="settings">(.*?)</script>', page.text, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def policy_of(page: httpx.Response) -> dict[str, list[str]]:
    """The Content-Security-Policy by directive."""
    return {words[0]: words[1:] for words in map(str.split, page.headers["content-security-policy"].split(";"))}
