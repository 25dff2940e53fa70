// A TCP proxy in front of the gateway that counts connections and can reset them all: what a lost network looks like to a client.
import net from "node:net";

export async function cutting(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const proxy = {
    connections: 0,
    refusing: false,
    cut() {
      for (const socket of open) socket.resetAndDestroy();
    },
  };
  const server = net.createServer((client) => {
    proxy.connections += 1;
    if (proxy.refusing) {
      client.resetAndDestroy();
      return;
    }
    const gateway = net.connect(Number(port), hostname);
    for (const [from, to] of [
      [client, gateway],
      [gateway, client],
    ]) {
      open.add(from);
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  proxy.url = target.replace(`:${port}/`, `:${server.address().port}/`);
  proxy.close = () => {
    proxy.cut();
    server.close();
  };
  return proxy;
}
