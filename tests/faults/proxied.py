"""The scaled site behind nginx: everybody speaks TLS with deploy/nginx/, and nobody knows a process.

Cookies, origins and headers are those of a real installation. The proxy itself may be reloaded, or
go away for a moment.
"""

import asyncio
from pathlib import Path

from tests.faults.site import Scaled
from tests.nginx import Nginx


class Proxied(Scaled):
    name = "proxied"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.nginx = Nginx(directory / "nginx", directory / "static")
        self.proxy = self.nginx

    def prepare(self) -> dict[str, str]:
        return super().prepare() | {"TRUSTED_PROXIES": "1"}

    def origins(self) -> str:
        return self.nginx.origin

    async def serve(self) -> None:
        await super().serve()
        self.nginx.render(server.port for server in self.servers)
        await asyncio.to_thread(self.nginx.start)

    async def stop(self) -> None:
        self.nginx.kill()
        await super().stop()

    # --- Faults ---------------------------------------------------------------------------------

    async def reload_proxy(self) -> None:
        self.nginx.reload()

    async def restart_proxy(self, seconds: float) -> None:
        """Cut everybody off at once, as a proxy that is updated does."""
        self.nginx.kill()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.nginx.start)
