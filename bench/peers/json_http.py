"""Requests to a peer: bodies made once, posted over kept connections, answers as bytes."""

from __future__ import annotations

import aiohttp

from tritonzoo.bench.calls import Made, Reply

JSON = {"Content-Type": "application/json"}


class HttpSender:
    """POST to one address, over as many connections as there are requests under way."""

    def __init__(self, url: str, timeout_s: float = 120) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, made: Made) -> Reply:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout
            )
        try:
            async with self._session.post(self._url, data=made.body, headers=made.headers) as response:
                body = await response.read()
        except TimeoutError:
            return Reply(error=f"no answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Reply(error=f"{type(error).__name__}: {error}")
        if response.status != 200:
            return Reply(error=f"{response.status}: {body[:300].decode('utf-8', 'replace')}")
        return Reply(body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
